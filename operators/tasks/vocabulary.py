"""What tasks that tag have in common: a vocabulary or a taxonomy, and the walk through it."""

from __future__ import annotations

from abc import abstractmethod
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
from operators.tasks.base import (
    PATH_FORMAT,
    Conversation,
    Subject,
    Task,
    TaskOptions,
    unwrapped,
)
from operators.tasks.descent import Asked, Chosen, Level, descend
from operators.tasks.forms import line, one_of
from operators.tasks.prompts import render
from operators.taxonomy import NONE, Taxonomy, load_taxonomy

MAX_FREE_TAG_CHARS = 40
NOTHING = "none"
"""The only tag of an item for which a taxonomy has none."""


def _loaded(value: Any) -> Any:
    return load_taxonomy(Path(value)) if isinstance(value, str) else value


_AS_PATH = WithJsonSchema({"type": "string", "format": PATH_FORMAT}, mode="validation")


class VocabularyOptions(TaskOptions):
    """Options of tasks that tag, freely, from a list or from a taxonomy."""

    vocabulary: tuple[Annotated[str, Field(min_length=1, max_length=200)], ...] | None = Field(
        default=None,
        min_length=1,
        max_length=500,
        description="The only tags allowed; without it the model chooses freely.",
    )
    max_tags: int = Field(default=10, ge=1, le=100, description="Most tags of one item.")
    taxonomy: Annotated[Taxonomy, BeforeValidator(_loaded), _AS_PATH] | None = Field(
        default=None,
        description="A YAML or CSV file of tags with ids, parents and synonyms, in place of "
        "a vocabulary; it is walked from the roots down and may hold thousands. Relative to "
        "the job file.",
    )

    @field_validator("vocabulary")
    @classmethod
    def _no_tag_twice(cls, value: tuple[str, ...] | None) -> tuple[str, ...] | None:
        twice = sorted({tag for tag in value or () if (value or ()).count(tag) > 1})
        if twice:
            raise ValueError(f"expected each tag once; {', '.join(twice)} is there twice")
        return value

    @model_validator(mode="after")
    def _one_vocabulary(self) -> VocabularyOptions:
        if self.vocabulary and self.taxonomy:
            raise ValueError("expected vocabulary or taxonomy, not both")
        return self

    @property
    def tag(self) -> Any:
        """The form of one tag, where no taxonomy is walked."""
        return one_of(self.vocabulary) if self.vocabulary else line(MAX_FREE_TAG_CHARS)

    def spelled(self, tag: str) -> str:
        """A tag as the row has it: those of a vocabulary as they are, free ones lower."""
        return tag if self.vocabulary else tag.lower()


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


class VocabularyTask(Task):
    """A task that tags; a taxonomy is walked level by level.

    Attributes:
        level_instruction: Jinja template of one level's system turn; sees ``options``,
            ``above``, ``listed`` and ``no_fit`` (`none` is null in Jinja).
        level: The form of one level's answer.
    """

    level_instruction: ClassVar[str]
    level: ClassVar[type[Level]]

    @abstractmethod
    def chosen_row(self, taxonomy: Taxonomy, chosen: list[Chosen], subject: Subject) -> Row:
        """The task's columns from what was chosen in a taxonomy; nothing if nothing fits."""

    def converse(self, options: Any, subject: Subject) -> Conversation:
        """See `Task.converse`; a taxonomy is walked level by level."""
        if options.taxonomy is None:
            return (yield from super().converse(options, subject))
        taxonomy, user = options.taxonomy, self.user(options, subject)

        def ask(asked: Asked) -> tuple[str, str]:
            return self.level_system(options, taxonomy, asked), user

        level = self.level(options.max_tags, len(subject.frames.shapes))
        chosen = yield from descend(taxonomy, level, ask, subject.frames)
        return self.chosen_row(taxonomy, chosen, subject)

    def level_system(self, options: Any, taxonomy: Taxonomy, asked: Asked) -> str:
        """The instruction for one level of a taxonomy: the same for all that come to it."""
        path = taxonomy.path(asked.above.node.id) if asked.above else []
        instruction = render(
            options.prompt or unwrapped(self.level_instruction),
            options=options,
            above=" > ".join(node.name for node in path),
            listed=asked.listed(),
            no_fit=NONE,
        )
        return f"{instruction}\nAnswer as JSON: {self.level.example}"

    def prompts(self, options: Any) -> list[str]:
        """See `Task.prompts`."""
        if options.taxonomy is None:
            return super().prompts(options)
        roots = Asked(tuple(options.taxonomy.children(None)), None)
        return [
            self.level_system(options, options.taxonomy, roots),
            options.prompt or self.level_instruction,
            options.item_prompt or self.item_prompt,
        ]


def placed(taxonomy: Taxonomy, chosen: Chosen) -> dict[str, Any]:
    """The columns of `Tag` for a tag of a taxonomy."""
    path = [node.name for node in taxonomy.path(chosen.node.id)]
    return {
        "tag": chosen.node.name,
        "id": chosen.node.id,
        "path": path,
        "score": chosen.score,
    }
