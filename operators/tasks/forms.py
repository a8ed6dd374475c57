"""Forms of answers: what a model may write, built from a task's options.

A form is a pydantic model. From it come the JSON Schema that holds the answer while it is
written, the example in the prompt, the bound on its tokens, and the check when it is read.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, create_model

# Control characters, unpaired surrogates, line and paragraph separators.
_UNPRINTABLE = frozenset({"Cc", "Cs", "Zl", "Zp"})

NUMBER_CHARS = 24
"""Characters that a number takes at most, nearly always."""


class Answer(BaseModel):
    """Base of what a model is asked to answer with."""

    model_config = ConfigDict(extra="ignore", strict=True)


def form(name: str, **fields: Any) -> type[Answer]:
    """An answer of these fields, all of them required.

    Args:
        name: Of the class, for error messages.
        fields: The type of each field, in the order in which they are written.
    """
    required: dict[str, Any] = {field: (kind, ...) for field, kind in fields.items()}
    return create_model(name, __base__=Answer, **required)


def line(max_chars: int) -> Any:
    """A text of 1 to `max_chars` characters, read as one line that is not empty."""
    return Annotated[
        str, Field(min_length=1, max_length=max_chars), AfterValidator(_written_line)
    ]


def one_of(choices: Sequence[str]) -> Any:
    """One of these texts."""
    return Literal[tuple(choices)]


def whole(least: int, most: int) -> Any:
    """A whole number between two bounds, both included."""
    return Annotated[int, Field(ge=least, le=most)]


def list_of(element: Any, most: int, least: int = 0) -> Any:
    """A list of `least` to `most` elements."""
    return Annotated[list[element], Field(min_length=least, max_length=most)]


def one_line(text: str) -> str:
    """Collapse white space, line breaks and control characters to single spaces."""
    printable = "".join(" " if unicodedata.category(c) in _UNPRINTABLE else c for c in text)
    return " ".join(printable.split())


def _written_line(text: str) -> str:
    collapsed = one_line(text)
    if not collapsed:
        raise ValueError("the text is empty")
    return collapsed


def json_schema(answer: type[Answer]) -> dict[str, Any]:
    """The JSON Schema of a form, as engines want it.

    Objects are closed and all their properties required; references are written out, and
    what a grammar has no use for is left out.
    """
    whole_schema = answer.model_json_schema()
    return _closed(whole_schema, whole_schema.get("$defs", {}))


def _closed(schema: Any, definitions: Mapping[str, Any]) -> Any:
    if isinstance(schema, list):
        return [_closed(part, definitions) for part in schema]
    if not isinstance(schema, dict):
        return schema
    if "$ref" in schema:
        return _closed(definitions[schema["$ref"].rpartition("/")[2]], definitions)
    kept = {k: v for k, v in schema.items() if k not in _LEFT_OUT}
    if "properties" in kept:
        named = {name: _closed(part, definitions) for name, part in kept["properties"].items()}
        return {
            **{k: v for k, v in kept.items() if k not in ("properties", "required")},
            "properties": named,
            "required": list(named),
            "additionalProperties": False,
        }
    return {k: v if k == "enum" else _closed(v, definitions) for k, v in kept.items()}


_LEFT_OUT = frozenset({"title", "description", "default", "$defs", "examples"})


def example(schema: Mapping[str, Any]) -> str:
    """The form as a prompt shows it, such as ``{"tags": ["..."]}``."""
    match schema:
        case {"const": str(value)}:
            return f'"{value}"'
        case {"enum": [*values]} if len(values) <= MOST_CHOICES_SHOWN:
            return " or ".join(f'"{value}"' for value in values)
        case {"anyOf": [*parts]}:
            return " or ".join(dict.fromkeys(example(part) for part in parts))
        case {"properties": properties}:
            inner = ", ".join(f'"{name}": {example(part)}' for name, part in properties.items())
            return f"{{{inner}}}"
        case {"type": "array", "items": items}:
            return f"[{example(items)}]"
        case {"type": "integer" | "number"}:
            return str(schema.get("minimum", 1))
        case {"type": "boolean"}:
            return "true or false"
        case {"type": "null"}:
            return "null"
    return '"..."'


MOST_CHOICES_SHOWN = 6
"""Of longer lists the instruction speaks, or only the grammar knows."""


def longest(schema: Mapping[str, Any]) -> int:
    """Characters of the longest answer that a schema allows; tokens are never more.

    Raises:
        ValueError: If the schema sets no bound to a text or list.
    """
    match schema:
        case {"const": value}:
            return len(str(value).encode()) + 2
        case {"enum": [*values]}:
            return max(len(str(value).encode()) for value in values) + 2
        case {"anyOf": [*parts]} | {"oneOf": [*parts]}:
            return max(longest(part) for part in parts)
        case {"type": "object", "properties": properties}:
            names = sum(len(name.encode()) + 4 for name in properties)
            return 2 + names + sum(longest(part) for part in properties.values())
        case {"type": "array", "items": items, "maxItems": int(most)}:
            return 2 + most * (longest(items) + 2)
        case {"type": "string", "maxLength": int(most)}:
            return most + 2
        case {"type": "integer" | "number"}:
            return NUMBER_CHARS
        case {"type": "boolean" | "null"}:
            return 5
    raise ValueError(f"the schema sets no bound to what may be written: {dict(schema)!r}")
