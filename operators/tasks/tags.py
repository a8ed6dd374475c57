"""Tag an image, freely or from a closed vocabulary."""

from __future__ import annotations

from typing import Annotated, Any

import pyarrow as pa
from pydantic import Field, field_validator

from operators.tasks.base import (
    Answer,
    Task,
    TaskOptions,
    bounded_string,
    closed_object,
    one_line,
    read_answer,
)
from schemas.failure import FailureCode, ItemFailure, Stage
from schemas.media import Frames, MediaKind

MAX_FREE_TAG_CHARS = 40

TAG_TYPE = pa.struct(
    [
        pa.field("tag", pa.string(), nullable=False),
        # From the root of the vocabulary to the tag; null where tags have no parents.
        pa.field("path", pa.list_(pa.string())),
        # Probability of the choice; null where it was not measured.
        pa.field("score", pa.float32()),
    ]
)


class TagsOptions(TaskOptions):
    """Options of `tags`."""

    vocabulary: tuple[Annotated[str, Field(min_length=1, max_length=200)], ...] | None = Field(
        default=None,
        min_length=1,
        max_length=500,
        description="The only tags allowed; without it the model chooses freely.",
    )
    max_tags: Annotated[int, Field(ge=1, le=100)] = Field(
        default=10, description="Most tags of one item."
    )
    prompt: str | None = Field(
        default=None, description="Replaces the instruction that the model is given."
    )

    @field_validator("vocabulary")
    @classmethod
    def _no_tag_twice(cls, value: tuple[str, ...] | None) -> tuple[str, ...] | None:
        twice = sorted({tag for tag in value or () if (value or ()).count(tag) > 1})
        if twice:
            raise ValueError(f"expected each tag once; {', '.join(twice)} is there twice")
        return value


class TagsAnswer(Answer):
    """What the model writes."""

    tags: list[str]


class Tags(Task):
    """Tag what an image shows; with a vocabulary no other tag can come out."""

    id = "tags"
    version = 1
    summary = "Tag what an image shows, freely or from a closed vocabulary."
    takes = frozenset({MediaKind.IMAGE})
    table = "tags"
    columns = (pa.field("tags", pa.list_(TAG_TYPE), nullable=False),)
    Options = TagsOptions

    def system(self, options: TagsOptions) -> str:
        """See `Task.system`."""
        instruction = options.prompt or (
            f"You tag images for a catalogue. Give at most {options.max_tags} tags, the most "
            "fitting first, each once, and only for what is visible."
        )
        if options.vocabulary:
            allowed = "; ".join(options.vocabulary)
            instruction += f" Choose only from these tags: {allowed}."
        else:
            instruction += " Each tag is one to three words in lower case."
        return f'{instruction}\nAnswer as JSON: {{"tags": ["...", "..."]}}'

    def user(self, options: TagsOptions, frames: Frames) -> str:
        """See `Task.user`."""
        return "Tag this image."

    def answer_schema(self, options: TagsOptions, frame_count: int) -> dict[str, Any]:
        """See `Task.answer_schema`."""
        if options.vocabulary:
            tag: dict[str, Any] = {"type": "string", "enum": list(options.vocabulary)}
        else:
            tag = bounded_string(MAX_FREE_TAG_CHARS)
        return closed_object(
            {"tags": {"type": "array", "items": tag, "maxItems": options.max_tags}}
        )

    def max_tokens(self, options: TagsOptions) -> int:
        """See `Task.max_tokens`."""
        longest = max((len(tag.encode()) for tag in options.vocabulary or ()), default=0)
        return 32 + options.max_tags * (8 + (longest or MAX_FREE_TAG_CHARS))

    def read(self, text: str, options: TagsOptions, frames: Frames) -> dict[str, Any]:
        """See `Task.read`."""
        given = read_answer(TagsAnswer, text).tags
        if options.vocabulary:
            tags = _only_known(given, options.vocabulary, text)
        else:
            tags = [tag for tag in (one_line(tag).lower() for tag in given) if tag]
        once = list(dict.fromkeys(tags))[: options.max_tags]
        return {"tags": [{"tag": tag, "path": None, "score": None} for tag in once]}


def _only_known(given: list[str], vocabulary: tuple[str, ...], text: str) -> list[str]:
    """Check what structured output already guarantees, for engines that lack it."""
    known = frozenset(vocabulary)
    for tag in given:
        if tag not in known:
            raise ItemFailure(
                Stage.PARSE,
                FailureCode.UNPARSABLE,
                f"the tag {tag[:100]!r} is not in the vocabulary",
                raw_text=text,
            )
    return given
