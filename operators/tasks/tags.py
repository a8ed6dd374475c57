"""Tag an image, freely or from a closed vocabulary."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar

from pydantic import Field, field_validator

from operators.tasks.arrow import Row
from operators.tasks.base import Subject, Task, TaskOptions
from operators.tasks.forms import Answer, form, line, list_of, one_of
from schemas.media import MediaKind

MAX_FREE_TAG_CHARS = 40


class TagsOptions(TaskOptions):
    """Options of `tags`."""

    vocabulary: tuple[Annotated[str, Field(min_length=1, max_length=200)], ...] | None = Field(
        default=None,
        min_length=1,
        max_length=500,
        description="The only tags allowed; without it the model chooses freely.",
    )
    max_tags: int = Field(default=10, ge=1, le=100, description="Most tags of one item.")

    @field_validator("vocabulary")
    @classmethod
    def _no_tag_twice(cls, value: tuple[str, ...] | None) -> tuple[str, ...] | None:
        twice = sorted({tag for tag in value or () if (value or ()).count(tag) > 1})
        if twice:
            raise ValueError(f"expected each tag once; {', '.join(twice)} is there twice")
        return value


class Tag(Row):
    """One tag: its path from the vocabulary's root, and how sure the model was.

    ``path`` is null where tags have no parents, ``score`` where nothing was measured.
    """

    tag: str
    path: list[str] | None = None
    score: float | None = None


class TagsRow(Row):
    """Columns of table ``tags``."""

    tags: list[Tag]


class Tags(Task):
    """Tag what an image shows; with a vocabulary no other tag can come out."""

    id = "tags"
    version = 2
    summary = "Tag what an image shows, freely or from a closed vocabulary."
    takes = frozenset({MediaKind.IMAGE})
    table = "tags"
    Options = TagsOptions
    Columns = TagsRow
    instruction = """
You tag images for a catalogue. Give at most {{ options.max_tags }} tags, the most fitting
first, each once, and only for what is visible.
{% if options.vocabulary %}
Choose only from these tags: {{ options.vocabulary | join("; ") }}.
{% else %}
Each tag is one to three words in lower case.
{% endif %}
"""
    item_prompt = "Tag this image."

    sample: ClassVar[dict[str, Any]] = {"tags": ["mug", "red", "striped"]}

    def answer(self, options: TagsOptions, count: int) -> type[Answer]:
        """See `Task.answer`."""
        tag = one_of(options.vocabulary) if options.vocabulary else line(MAX_FREE_TAG_CHARS)
        return form("TagsAnswer", tags=list_of(tag, options.max_tags))

    def row(self, options: TagsOptions, answer: Any, subject: Subject) -> TagsRow:
        """See `Task.row`."""
        given = answer.tags if options.vocabulary else [tag.lower() for tag in answer.tags]
        return TagsRow(tags=[Tag(tag=tag) for tag in dict.fromkeys(given)])
