"""Understand what happens over an ordered series of images."""

from __future__ import annotations

from typing import Any, ClassVar

from pydantic import Field

from operators.tasks.arrow import Row
from operators.tasks.base import Subject, Task, TaskOptions
from operators.tasks.forms import Answer, form, line, list_of, whole
from schemas.media import MediaKind

MAX_STEP_CHARS = 160


class SequenceOptions(TaskOptions):
    """Options of `sequence`."""

    max_chars: int = Field(
        default=600, ge=20, le=8000, description="Longest description, in characters."
    )
    max_steps: int = Field(default=12, ge=1, le=100, description="Most steps.")
    language: str = Field(default="English", description="Language of the answer.")


class Step(Row):
    """A step, and the image that shows it, by its place in ``uris`` from 0."""

    image: int
    text: str


class SequenceRow(Row):
    """Columns of table ``sequences``."""

    description: str
    steps: list[Step]


class Sequence(Task):
    """Say what happens over an ordered series of images, and the key steps by image.

    For instructions, processes, before and after, frames of a story.
    """

    id = "sequence"
    version = 1
    summary = "Say what happens over an ordered series of images, step by step."
    takes = frozenset({MediaKind.IMAGES})
    table = "sequences"
    Options = SequenceOptions
    Columns = SequenceRow
    instruction = """
You are shown images in their order, numbered from 1. Write in {{ options.language }} what
happens over the whole series, at most {{ options.max_chars }} characters, then the key steps
in order, at most {{ options.max_steps }}, each with the number of the image that shows it.
Say only what is visible.
"""
    item_prompt = "These are {{ shown.count }} images in their order. What happens?"

    sample: ClassVar[dict[str, Any]] = {
        "description": "A shelf is put together.",
        "steps": [{"image": 1, "text": "The boards lie ready."}],
    }

    def answer(self, options: SequenceOptions, count: int) -> type[Answer]:
        """See `Task.answer`."""
        step = form("StepAnswer", image=whole(1, max(count, 1)), text=line(MAX_STEP_CHARS))
        return form(
            "SequenceAnswer",
            description=line(options.max_chars),
            steps=list_of(step, options.max_steps, least=1),
        )

    def row(self, options: SequenceOptions, answer: Any, subject: Subject) -> SequenceRow:
        """See `Task.row`."""
        return SequenceRow(
            description=answer.description,
            steps=[
                Step(image=subject.place(step.image - 1), text=step.text)
                for step in answer.steps
            ],
        )
