"""Write a shop's listing from its photographs and the seller's text."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from operators.tasks.arrow import Row
from operators.tasks.base import Conversation, Question, Subject, Task, TaskOptions
from operators.tasks.forms import Answer, example, form, line, list_of, one_of, whole
from operators.tasks.prompts import render
from schemas.media import NO_FRAMES, MediaKind

OTHER = "other"
MAX_TITLE_CHARS = 100
MAX_VALUE_CHARS = 80
MAX_CLAIM_CHARS = 160
MAX_TAG_CHARS = 40
MAX_NUMBER = 1_000_000
MAX_CATEGORIES = 100
MAX_ATTRIBUTES = 40


class Attribute(BaseModel):
    """What is asked of a thing of one category.

    In a job file: ``text``, ``number``, ``yes_no``, or a list of the values allowed.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(pattern=r"^[A-Za-z][A-Za-z0-9_ -]{0,59}$")
    type: Literal["text", "number", "yes_no", "choice"] = "text"
    choices: tuple[Annotated[str, Field(min_length=1, max_length=80)], ...] = ()

    @model_validator(mode="after")
    def _choices_differ(self) -> Attribute:
        if self.type == "choice" and len(set(self.choices)) < 2:
            raise ValueError(f"expected at least two different values for {self.name!r}")
        return self


class Category(BaseModel):
    """A kind of thing, and what is asked of it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(min_length=1, max_length=80)
    attributes: Annotated[tuple[Attribute, ...], Field(min_length=1, max_length=MAX_ATTRIBUTES)]


def _categories(value: Any) -> Any:
    """From ``{mug: {colour: [red, blue], material: text}}`` as a job file has it."""
    if not isinstance(value, Mapping):
        return value
    return [
        {"name": str(name), "attributes": _attributes(attributes)}
        for name, attributes in value.items()
    ]


def _attributes(value: Any) -> Any:
    if not isinstance(value, Mapping):
        return value
    return [
        {"name": name, "type": "choice", "choices": asked}
        if isinstance(asked, list)
        else {"name": name, "type": asked}
        for name, asked in value.items()
    ]


class ListingOptions(TaskOptions):
    """Options of `listing`."""

    categories: Annotated[
        tuple[Category, ...],
        BeforeValidator(_categories, json_schema_input_type=dict[str, dict[str, Any]]),
        Field(min_length=1, max_length=MAX_CATEGORIES),
    ] = Field(
        description="By category, its attributes: text, number, yes_no, or a list of values. "
        "A first question chooses the category; things of none are `other`."
    )
    max_chars: int = Field(
        default=600, ge=20, le=4000, description="Longest description, in characters."
    )
    max_tags: int = Field(default=8, ge=0, le=50, description="Most tags.")
    max_conflicts: int = Field(
        default=5, ge=1, le=20, description="Most contradictions to the seller's text."
    )
    language: str = Field(default="English", description="Language of title and description.")

    @model_validator(mode="after")
    def _names_differ(self) -> ListingOptions:
        names = [category.name for category in self.categories]
        if len(set(names)) < len(names) or OTHER in names:
            raise ValueError(f"expected different categories, none of them called {OTHER!r}")
        return self

    def category(self, name: str) -> Category | None:
        """The category of this name; None for `other`."""
        return next((one for one in self.categories if one.name == name), None)


class AttributeValue(Row):
    """An attribute, and the photograph that shows it, by its place in ``uris`` from 0."""

    name: str
    value: str
    image: int


class Conflict(Row):
    """Where a photograph contradicts the seller: what is claimed, what is seen, and where."""

    claim: str
    seen: str
    image: int


class ListingRow(Row):
    """Columns of table ``listings``."""

    category: str
    title: str
    description: str
    attributes: list[AttributeValue]
    tags: list[str]
    conflicts: list[Conflict]


class Listing(Task):
    """Write a listing from photographs and the seller's text: for shops and marketplaces.

    Two questions: what category it is, then title, description, that category's
    attributes, tags, and conflicts, which is where the photographs contradict the seller's
    text. Each attribute and conflict names the photograph that shows it.
    """

    id = "listing"
    version = 1
    summary = "Write a shop's listing: title, description, attributes, tags, conflicts."
    takes = frozenset({MediaKind.IMAGE, MediaKind.IMAGES})
    table = "listings"
    Options = ListingOptions
    Columns = ListingRow
    instruction = """
You write listings for a shop from photographs, numbered from 1 in their order. Judge by what
is visible; the seller's text may be wrong. Write in {{ options.language }} a title and a
description of at most {{ options.max_chars }} characters. For each attribute give its value
and the number of the photograph that shows it, or null if none does. Give at most
{{ options.max_tags }} tags. As conflicts name what the seller's text claims and a photograph
contradicts: the claim, what is seen instead, and the photograph's number; none if there are
none. {{ attributes }}
"""
    category_instruction = """
You sort things for a shop. Say which category the thing in the photographs belongs to, out
of: {{ categories }}; or other.
"""
    item_prompt = "This is one thing, in {{ shown.count }} photograph(s)."
    sample: ClassVar[dict[str, Any]] = {
        "title": "Red ceramic mug",
        "description": "A red mug with a white handle.",
        "attributes": {"a1": {"value": "red", "image": 1}, "a2": None},
        "tags": ["mug"],
        "conflicts": [],
    }
    sample_options: ClassVar[dict[str, Any]] = {
        "categories": {"mug": {"colour": ["red", "blue"], "material": "text"}}
    }

    def converse(self, options: ListingOptions, subject: Subject) -> Conversation:
        """See `Task.converse`."""
        user = self.user(options, subject)
        [reply] = yield [self.category_question(options, subject, user)]
        category = options.category(reply.value.category)
        count = len(subject.frames.shapes)
        answer = listing_form(options, category, count)
        system = self.listing_system(options, category, answer)
        [reply] = yield [Question(system, user, subject.frames, answer)]
        return _row(category, reply.value, subject)

    def category_question(
        self, options: ListingOptions, subject: Subject, user: str
    ) -> Question:
        """The first question."""
        names = [category.name for category in options.categories]
        instruction = render(
            " ".join(self.category_instruction.split()), categories="; ".join(names)
        )
        return Question(
            system=f'{instruction}\nAnswer as JSON: {{"category": "..."}}',
            user=user,
            frames=subject.frames,
            answer=form("CategoryAnswer", category=one_of([*names, OTHER])),
        )

    def listing_system(
        self, options: ListingOptions, category: Category | None, answer: type[Answer]
    ) -> str:
        """The instruction of the second question: the same for all of one category."""
        instruction = render(
            options.prompt or " ".join(self.instruction.split()),
            options=options,
            attributes=_listed(category),
        )
        shown = example(Question("", "", NO_FRAMES, answer).schema)
        return f"{instruction}\nAnswer as JSON: {shown}"

    def prompts(self, options: ListingOptions) -> list[str]:
        """See `Task.prompts`."""
        return [
            options.prompt or self.instruction,
            self.category_instruction,
            options.item_prompt or self.item_prompt,
            self.system(options, self.form(options, 1)),
        ]

    def system(self, options: ListingOptions, answer: type[Answer]) -> str:
        """The instruction for the first category."""
        return self.listing_system(options, options.categories[0], answer)

    def answer(self, options: ListingOptions, count: int) -> type[Answer]:
        """The form for the first category; the others differ in their attributes."""
        return listing_form(options, options.categories[0], count)

    def row(self, options: ListingOptions, answer: Any, subject: Subject) -> ListingRow:
        """The row of an answer about the first category."""
        return _row(options.categories[0], answer, subject)


@lru_cache(maxsize=1024)
def listing_form(
    options: ListingOptions, category: Category | None, count: int
) -> type[Answer]:
    """The form of a listing of one category.

    Args:
        options: The task's.
        category: None for things of none, which have no attributes.
        count: Photographs.
    """
    photograph = whole(1, max(count, 1))
    attributes = {
        key: form(f"Attribute{key}", value=_value(asked), image=photograph) | None
        for key, asked in _keyed(category)
    }
    claim = line(MAX_CLAIM_CHARS)
    conflict = form("ConflictAnswer", claim=claim, seen=claim, image=photograph)
    fields: dict[str, Any] = {
        "title": line(MAX_TITLE_CHARS),
        "description": line(options.max_chars),
    }
    if attributes:
        fields["attributes"] = form("AttributesAnswer", **attributes)
    fields["tags"] = list_of(line(MAX_TAG_CHARS), options.max_tags)
    fields["conflicts"] = list_of(conflict, options.max_conflicts)
    return form("ListingAnswer", **fields)


def _keyed(category: Category | None) -> list[tuple[str, Attribute]]:
    attributes = category.attributes if category else ()
    return [(f"a{number}", asked) for number, asked in enumerate(attributes, start=1)]


def _value(asked: Attribute) -> Any:
    match asked.type:
        case "number":
            return whole(0, MAX_NUMBER)
        case "yes_no":
            return bool
        case "choice":
            return one_of(asked.choices)
    return line(MAX_VALUE_CHARS)


def _listed(category: Category | None) -> str:
    if category is None:
        return "It has no attributes to give."
    named = []
    for key, asked in _keyed(category):
        manner = ", ".join(asked.choices) if asked.choices else asked.type.replace("_", " or ")
        named.append(f"{key}: {asked.name} ({manner})")
    return f"It is a {category.name}. Its attributes: {'; '.join(named)}."


def _row(category: Category | None, answer: Any, subject: Subject) -> ListingRow:
    attributes = []
    for key, asked in _keyed(category):
        given = getattr(answer.attributes, key)
        if given is not None:
            value = _as_text(given.value)
            place = subject.place(given.image - 1)
            attributes.append(AttributeValue(name=asked.name, value=value, image=place))
    return ListingRow(
        category=category.name if category else OTHER,
        title=answer.title,
        description=answer.description,
        attributes=attributes,
        tags=list(dict.fromkeys(tag.lower() for tag in answer.tags)),
        conflicts=[
            Conflict(claim=c.claim, seen=c.seen, image=subject.place(c.image - 1))
            for c in answer.conflicts
            if _differ(c.claim, c.seen)
        ],
    )


def _differ(claim: str, seen: str) -> bool:
    """Whether a conflict is one: models also name what is claimed and seen alike."""
    one, other = (" ".join(said.casefold().split()) for said in (claim, seen))
    return one != other


def _as_text(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value)
