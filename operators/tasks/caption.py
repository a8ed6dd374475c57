"""Describe an image."""

from __future__ import annotations

from typing import Annotated, Any

import pyarrow as pa
from pydantic import Field

from operators.tasks.base import (
    Answer,
    Task,
    TaskOptions,
    bounded_string,
    closed_object,
    read_answer,
    written_line,
)
from schemas.media import Frames, MediaKind


class CaptionOptions(TaskOptions):
    """Options of `caption`."""

    max_chars: Annotated[int, Field(ge=20, le=4000)] = Field(
        default=400, description="Longest caption, in characters."
    )
    language: str = Field(default="English", description="Language of the caption.")
    prompt: str | None = Field(
        default=None, description="Replaces the instruction that the model is given."
    )


class CaptionAnswer(Answer):
    """What the model writes."""

    caption: Annotated[str, Field(min_length=1)]


class Caption(Task):
    """Describe what an image shows, for search, alternative text or training data."""

    id = "caption"
    version = 1
    summary = "Describe what an image shows."
    takes = frozenset({MediaKind.IMAGE})
    table = "captions"
    columns = (pa.field("caption", pa.string(), nullable=False),)
    Options = CaptionOptions

    def system(self, options: CaptionOptions) -> str:
        """See `Task.system`."""
        instruction = options.prompt or (
            f"You describe images for a catalogue. Write one caption in {options.language} "
            f"of at most {options.max_chars} characters. Name every thing that can be seen, "
            "with its colour and place. Say only what is visible; do not guess."
        )
        return f'{instruction}\nAnswer as JSON: {{"caption": "..."}}'

    def user(self, options: CaptionOptions, frames: Frames) -> str:
        """See `Task.user`."""
        return "Describe this image."

    def answer_schema(self, options: CaptionOptions, frame_count: int) -> dict[str, Any]:
        """See `Task.answer_schema`."""
        return closed_object({"caption": bounded_string(options.max_chars)})

    def max_tokens(self, options: CaptionOptions) -> int:
        """See `Task.max_tokens`."""
        return options.max_chars + 64

    def read(self, text: str, options: CaptionOptions, frames: Frames) -> dict[str, Any]:
        """See `Task.read`."""
        return {"caption": written_line(read_answer(CaptionAnswer, text).caption, text)}
