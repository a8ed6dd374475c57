"""Tag an image, freely or from a closed vocabulary."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, ClassVar

from pydantic import (
    BeforeValidator,
    Field,
    WithJsonSchema,
    field_validator,
    model_validator,
)

from operators.tasks.arrow import Row
from operators.tasks.base import PATH_FORMAT, Conversation, Subject, Task, TaskOptions
from operators.tasks.descent import Asked, Chosen, descend
from operators.tasks.forms import Answer, form, line, list_of, one_of
from operators.tasks.prompts import render
from operators.taxonomy import NONE, Taxonomy, load_taxonomy
from schemas.media import MediaKind

MAX_FREE_TAG_CHARS = 40
NOTHING = "none"


def _loaded(value: Any) -> Any:
    return load_taxonomy(Path(value)) if isinstance(value, str) else value


_AS_PATH = WithJsonSchema({"type": "string", "format": PATH_FORMAT}, mode="validation")


class VocabularyOptions(TaskOptions):
    """Options of tasks that tag, freely or from a list."""

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


class TagsOptions(VocabularyOptions):
    """Options of `tags`."""

    taxonomy: Annotated[Taxonomy, BeforeValidator(_loaded), _AS_PATH] | None = Field(
        default=None,
        description="A YAML or CSV file of tags with ids, parents and synonyms, in place of "
        "a vocabulary; it is walked from the roots down and may hold thousands. Relative to "
        "the job file.",
    )

    @model_validator(mode="after")
    def _one_vocabulary(self) -> TagsOptions:
        if self.vocabulary and self.taxonomy:
            raise ValueError("expected vocabulary or taxonomy, not both")
        return self


class Tag(Row):
    """One tag: its path from the taxonomy's root, and how sure the model was.

    ``id`` and ``path`` are null where tags have no parents, ``score`` where nothing was
    measured. Where nothing in a taxonomy fits, the only tag is ``none``, without an id.
    ``score`` is the probability of the choices that led to the tag, among those that the
    model was given; not that of the tag's being right.
    """

    tag: str
    id: str | None = None
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
    level_instruction = """
You tag images for a catalogue{% if above %}. This image was tagged {{ above }}{% endif %}.
Choose the tags that fit what is visible, the most fitting first, at most
{{ options.max_tags }}, out of: {{ listed }}. If none fits, choose "{{ none }}".
"""

    sample: ClassVar[dict[str, Any]] = {"tags": ["mug", "red", "striped"]}

    def answer(self, options: TagsOptions, count: int) -> type[Answer]:
        """See `Task.answer`."""
        tag = one_of(options.vocabulary) if options.vocabulary else line(MAX_FREE_TAG_CHARS)
        return form("TagsAnswer", tags=list_of(tag, options.max_tags))

    def converse(self, options: TagsOptions, subject: Subject) -> Conversation:
        """See `Task.converse`; a taxonomy is walked level by level."""
        if options.taxonomy is None:
            return (yield from super().converse(options, subject))
        taxonomy, user = options.taxonomy, self.user(options, subject)

        def ask(asked: Asked) -> tuple[str, str]:
            return self.level_system(options, taxonomy, asked), user

        chosen = yield from descend(taxonomy, options.max_tags, ask, subject.frames)
        if not chosen:
            return TagsRow(tags=[Tag(tag=NOTHING, path=[])])
        return TagsRow(tags=[_placed(taxonomy, one) for one in chosen])

    def level_system(self, options: TagsOptions, taxonomy: Taxonomy, asked: Asked) -> str:
        """The instruction for one level of a taxonomy: the same for all that come to it."""
        path = taxonomy.path(asked.above.node.id) if asked.above else []
        instruction = render(
            options.prompt or " ".join(self.level_instruction.split()),
            options=options,
            above=" > ".join(node.name for node in path),
            listed=asked.listed(),
            none=NONE,
        )
        return f'{instruction}\nAnswer as JSON: {{"tags": ["..."]}}'

    def prompts(self, options: TagsOptions) -> list[str]:
        """See `Task.prompts`."""
        if options.taxonomy is None:
            return super().prompts(options)
        roots = Asked(tuple(options.taxonomy.children(None)), None)
        return [
            self.level_system(options, options.taxonomy, roots),
            options.prompt or self.level_instruction,
            options.item_prompt or self.item_prompt,
        ]

    def row(self, options: TagsOptions, answer: Any, subject: Subject) -> TagsRow:
        """See `Task.row`."""
        given = answer.tags if options.vocabulary else [tag.lower() for tag in answer.tags]
        return TagsRow(tags=[Tag(tag=tag) for tag in dict.fromkeys(given)])


def _placed(taxonomy: Taxonomy, chosen: Chosen) -> Tag:
    path = [node.name for node in taxonomy.path(chosen.node.id)]
    return Tag(tag=chosen.node.name, id=chosen.node.id, path=path, score=chosen.score)
