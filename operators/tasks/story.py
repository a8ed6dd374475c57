"""Tell a story from images."""

from __future__ import annotations

from typing import Any, ClassVar

from pydantic import Field

from operators.tasks.arrow import Row
from operators.tasks.base import Subject, Task, TaskOptions
from operators.tasks.forms import Answer, form, line
from schemas.media import MediaKind

MAX_TITLE_CHARS = 80


class StoryOptions(TaskOptions):
    """Options of `story`."""

    max_chars: int = Field(
        default=1200, ge=50, le=8000, description="Longest story, in characters."
    )
    tone: str = Field(default="warm", max_length=100, description="In one or two words.")
    language: str = Field(default="English", description="Language of the story.")


class StoryRow(Row):
    """Columns of table ``stories``."""

    title: str
    story: str


class Story(Task):
    """Tell a story that the images illustrate, in their order. Fiction, not description."""

    id = "story"
    version = 1
    summary = "Tell a story that images illustrate, in their order."
    takes = frozenset({MediaKind.IMAGE, MediaKind.IMAGES})
    table = "stories"
    Options = StoryOptions
    Columns = StoryRow
    instruction = """
You tell a story that the images illustrate, in their order. Write in {{ options.language }},
in a {{ options.tone }} tone, at most {{ options.max_chars }} characters, with a title. What
is visible must be in it; the rest may be made up.
"""
    item_prompt = (
        "Tell the story of {{ 'this image' if shown.count == 1 else 'these images' }}."
    )
    sample: ClassVar[dict[str, Any]] = {
        "title": "The red mug",
        "story": "Each morning it waits.",
    }

    def answer(self, options: StoryOptions, count: int) -> type[Answer]:
        """See `Task.answer`."""
        return form("StoryAnswer", title=line(MAX_TITLE_CHARS), story=line(options.max_chars))

    def row(self, options: StoryOptions, answer: Any, subject: Subject) -> StoryRow:
        """See `Task.row`."""
        return StoryRow(title=answer.title, story=answer.story)
