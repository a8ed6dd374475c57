"""A user's own JSON Schema: checked, then made into a form and into columns.

Of JSON Schema there is what an engine can hold an answer to and a table can store: objects
with ``properties``, arrays with ``items``, strings (``enum``, ``maxLength``), ``integer``
and ``number`` (``minimum``, ``maximum``), ``boolean``, and ``type: [X, "null"]``.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, create_model

from operators.tasks.arrow import Row
from operators.tasks.forms import Answer, form, line, list_of, one_of
from operators.tasks.own_class import CLASS_MARK, class_schema

Kind = Literal["object", "array", "string", "integer", "number", "boolean"]

DEFAULT_CHARS = 300
DEFAULT_ELEMENTS = 20
MAX_DEPTH = 6
MAX_FIELDS = 200
MAX_CHOICES = 500
LARGEST = 10**9
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,62}")
_SAID = frozenset({"title", "description", "$schema", "$id", "examples", "default"})
_KNOWN: dict[str, frozenset[str]] = {
    "object": frozenset({"properties", "required", "additionalProperties"}),
    "array": frozenset({"items", "minItems", "maxItems"}),
    "string": frozenset({"enum", "const", "minLength", "maxLength"}),
    "integer": frozenset({"minimum", "maximum"}),
    "number": frozenset({"minimum", "maximum"}),
    "boolean": frozenset(),
}


@dataclass(frozen=True)
class Shape:
    """One place of a schema.

    Attributes:
        kind: Its type.
        nullable: Whether null is an answer too.
        description: What the schema says of it.
        properties: Name and shape of each property; objects only.
        items: Shape of the elements; arrays only.
        choices: What may be answered; strings only, empty for any.
        least: Fewest elements, or the smallest number.
        most: Most elements or characters, or the largest number.
    """

    kind: Kind
    nullable: bool = False
    description: str = ""
    properties: tuple[tuple[str, Shape], ...] = ()
    items: Shape | None = None
    choices: tuple[str, ...] = ()
    least: float = 0
    most: float = 0


def read_schema(value: Any) -> Shape:
    """Check a schema: a mapping, the path of a JSON file with one, or of a pydantic class.

    Raises:
        ValueError: If it cannot be read, or holds what no answer can be held to; with the
            place in the schema.
    """
    if isinstance(value, str) and CLASS_MARK in value:
        value = class_schema(value)
    elif isinstance(value, str):
        try:
            value = json.loads(Path(value).read_text(encoding="utf-8-sig"))
        except (OSError, ValueError) as error:
            raise ValueError(f"the schema {value} cannot be read: {error}") from None
    shape = _shape(value, "json_schema", 1)
    if shape.kind != "object" or shape.nullable:
        raise ValueError("json_schema: expected type: object, with the columns as properties")
    if _fields(shape) > MAX_FIELDS:
        raise ValueError(f"json_schema: expected at most {MAX_FIELDS} fields in all")
    return shape


def _fields(shape: Shape) -> int:
    inner = _fields(shape.items) if shape.items else 0
    return 1 + inner + sum(_fields(part) for _, part in shape.properties)


def _shape(value: Any, where: str, depth: int) -> Shape:
    if not isinstance(value, dict):
        raise ValueError(f"{where}: expected a schema, not {value!r}")
    if depth > MAX_DEPTH:
        raise ValueError(f"{where}: expected at most {MAX_DEPTH} levels")
    kind, nullable = _kind(value, where)
    strange = sorted(set(value) - _KNOWN[kind] - _SAID - {"type"})
    if strange:
        raise ValueError(
            f"{where}: an answer cannot be held to {', '.join(strange)}; for type {kind} there "
            f"are {', '.join(sorted(_KNOWN[kind])) or 'no further keys'}"
        )
    said = str(value.get("description", ""))
    match kind:
        case "object":
            return Shape(kind, nullable, said, properties=_properties(value, where, depth))
        case "array":
            items = _shape(value.get("items"), f"{where}.items", depth + 1)
            least, most = _bounds(value, where, "minItems", "maxItems", DEFAULT_ELEMENTS)
            return Shape(kind, nullable, said, items=items, least=least, most=most)
        case "string":
            _, most = _bounds(value, where, "minLength", "maxLength", DEFAULT_CHARS)
            return Shape(kind, nullable, said, choices=_choices(value, where), most=most)
        case "integer" | "number":
            least, most = _bounds(value, where, "minimum", "maximum", LARGEST, -LARGEST)
            return Shape(kind, nullable, said, least=least, most=most)
    return Shape(kind, nullable, said)


def _kind(value: dict[str, Any], where: str) -> tuple[Kind, bool]:
    given = value.get("type", "string" if {"enum", "const"} & value.keys() else None)
    kinds = given if isinstance(given, list) else [given]
    named = [kind for kind in kinds if kind != "null"]
    if len(named) != 1 or named[0] not in _KNOWN:
        raise ValueError(
            f"{where}: expected a type out of {', '.join(_KNOWN)}, or one of these with "
            f'"null" in a list, not {given!r}'
        )
    return named[0], "null" in kinds


def _properties(value: dict[str, Any], where: str, depth: int) -> tuple[tuple[str, Shape], ...]:
    properties = value.get("properties")
    if not isinstance(properties, dict) or not properties:
        raise ValueError(f"{where}: expected properties")
    if value.get("additionalProperties", False) is not False:
        raise ValueError(f"{where}: expected additionalProperties to be false or absent")
    for name in properties:
        if not isinstance(name, str) or not _NAME.fullmatch(name) or name.startswith("model_"):
            raise ValueError(
                f"{where}: expected names of letters, digits and _, beginning with a letter "
                f"and not with model_, not {name!r}"
            )
    required = value.get("required", list(properties))
    return tuple(
        (name, _optional(_shape(part, f"{where}.{name}", depth + 1), name not in required))
        for name, part in properties.items()
    )


def _optional(shape: Shape, optional: bool) -> Shape:
    """A property that may be absent is one that may be null."""
    return Shape(**{**vars(shape), "nullable": shape.nullable or optional})


def _choices(value: dict[str, Any], where: str) -> tuple[str, ...]:
    choices = [value["const"]] if "const" in value else value.get("enum", [])
    texts = isinstance(choices, list) and all(isinstance(one, str) for one in choices)
    if not texts or len(set(choices)) < len(choices) or len(choices) > MAX_CHOICES:
        raise ValueError(f"{where}: expected up to {MAX_CHOICES} different texts in enum")
    return tuple(choices)


def _bounds(
    value: dict[str, Any], where: str, low: str, high: str, most: int, least: int = 0
) -> tuple[float, float]:
    bounds = value.get(low, least), value.get(high, most)
    numbers = all(isinstance(n, int | float) and not isinstance(n, bool) for n in bounds)
    if not numbers or not least <= bounds[0] <= bounds[1] <= LARGEST:
        raise ValueError(f"{where}: expected {low} and {high} to be numbers in order")
    return bounds


def answer_of(shape: Shape, name: str = "ExtractAnswer") -> type[Answer]:
    """The form that a schema describes."""
    return form(name, **{key: _value(part, f"{name}_{key}") for key, part in shape.properties})


def _value(shape: Shape, name: str) -> Any:
    value: Any
    match shape.kind:
        case "object":
            value = answer_of(shape, name)
        case "array":
            assert shape.items is not None
            value = list_of(_value(shape.items, name), int(shape.most), int(shape.least))
        case "string":
            value = one_of(shape.choices) if shape.choices else line(int(shape.most))
        case "integer":
            value = Annotated[int, Field(ge=int(shape.least), le=int(shape.most))]
        case "number":
            value = Annotated[float, Field(ge=shape.least, le=shape.most)]
        case _:
            value = bool
    return value | None if shape.nullable else value


def row_of(shape: Shape, name: str = "ExtractRow") -> type[Row]:
    """The columns that a schema describes, typed."""
    fields: dict[str, Any] = {
        key: (_column(part, f"{name}_{key}"), ...) for key, part in shape.properties
    }
    return create_model(name, __base__=Row, **fields)


def _column(shape: Shape, name: str) -> Any:
    column: Any
    match shape.kind:
        case "object":
            column = row_of(shape, name)
        case "array":
            assert shape.items is not None
            column = list[_column(shape.items, name)]  # type: ignore[misc]
        case "string":
            column = str
        case "integer":
            column = int
        case "number":
            column = float
        case _:
            column = bool
    return column | None if shape.nullable else column


def described(shape: Shape) -> str:
    """What the schema says of its fields, for the prompt."""
    parts = []
    for name, part in shape.properties:
        inner = part.items if part.items is not None else part
        said = [part.description] if part.description else []
        if inner.choices:
            said.append(f"one of: {', '.join(inner.choices)}")
        if part.nullable:
            said.append("null if it cannot be seen")
        if inner.properties:
            said.append(described(inner))
        parts.append(f"{name} ({'; '.join(said)})" if said else name)
    return ", ".join(parts)
