"""Say in plain words what is wrong with a job's values."""

from __future__ import annotations

import difflib
import re
import types
import typing
from collections.abc import Iterable
from datetime import date
from typing import Any

from pydantic import BaseModel, ValidationError

from jobs.yaml_lines import KeyPath, dotted
from schemas.failure import Problem

_EXPECTED = {
    "missing": "is missing",
    "int_parsing": "expected a whole number",
    "int_type": "expected a whole number",
    "int_from_float": "expected a whole number",
    "float_parsing": "expected a number",
    "float_type": "expected a number",
    "finite_number": "expected a finite number",
    "bool_parsing": "expected true or false",
    "bool_type": "expected true or false",
    "string_type": "expected text",
    "tuple_type": "expected a list",
    "list_type": "expected a list",
    "dict_type": "expected keys and values",
    "model_type": "expected keys and values",
    "model_attributes_type": "expected keys and values",
    "recursion_loop": "expected no value inside itself",
    "greater_than_equal": "expected {ge} or more",
    "greater_than": "expected more than {gt}",
    "less_than_equal": "expected {le} or less",
    "less_than": "expected less than {lt}",
    "literal_error": "expected {expected}",
    "too_short": "expected at least {min_length} entry or entries",
    "too_long": "expected at most {max_length} entries",
    "string_too_short": "expected at least {min_length} character or characters",
    "string_too_long": "expected at most {max_length} characters",
    "string_pattern_mismatch": "expected letters, digits, '.', '_' and '-', 64 at most",
}


def problems_of(
    error: ValidationError,
    data: Any,
    model: type[BaseModel],
    *,
    below: KeyPath = (),
) -> list[Problem]:
    """Turn pydantic's findings into ours, one for each place.

    Args:
        error: What validation found.
        data: What was validated, as the user wrote it.
        model: The model it was validated against, for near matches of keys.
        below: Path of ``data`` in the whole file.
    """
    expected: dict[KeyPath, list[str]] = {}
    for finding in error.errors(include_url=False):
        if _is_only_shorter_for_its_mistakes(finding):
            continue
        path = _real_path(finding["loc"], data, absent=finding["type"] == "missing")
        words = _words(finding, path, model)
        if words not in expected.setdefault(path, []):
            expected[path].append(words)
    return [
        Problem(dotted((*below, *path)), _value_at(path, data), " or ".join(_merged(words)))
        for path, words in expected.items()
    ]


def _is_only_shorter_for_its_mistakes(finding: Any) -> bool:
    """Entries that are wrong themselves are not counted by pydantic."""
    if finding["type"] != "too_short" or not isinstance(finding["input"], list | tuple):
        return False
    return len(finding["input"]) >= finding["ctx"]["min_length"]


def _merged(words: Iterable[str]) -> list[str]:
    first, *rest = words
    return [first, *(word.removeprefix("expected ") for word in rest)]


def _words(finding: Any, path: KeyPath, model: type[BaseModel]) -> str:
    kind, context = finding["type"], finding.get("ctx", {})
    if kind == "extra_forbidden":
        return _unknown_key(str(finding["loc"][-1]), path, model)
    if kind == "value_error":
        return str(context["error"])
    words = _EXPECTED.get(kind)
    if words is None:
        return finding["msg"][:1].lower() + finding["msg"][1:]
    words = words.format(**context)
    given = finding["input"]
    if kind == "literal_error" and isinstance(given, str):
        words += near(given, context["expected"].replace("'", "").split(", "))
    if kind == "string_type" and isinstance(given, bool | int | float | date):
        words += '; YAML reads it as another type unless it is in quotes ("...")'
    return words


def _unknown_key(key: str, path: KeyPath, model: type[BaseModel]) -> str:
    known = keys_at(model, path[:-1])
    here = f"; known here: {', '.join(sorted(known))}" if known else ""
    return f"is no known key{near(key, known)}{here}"


def near(found: str, known: Iterable[str]) -> str:
    """`` (did you mean ...?)``, or nothing if nothing is near."""
    matches = difflib.get_close_matches(found, list(known), n=1)
    return f" (did you mean {matches[0]}?)" if matches else ""


def keys_at(model: type[BaseModel], path: KeyPath) -> list[str]:
    """The keys that a section may have."""
    for part in path:
        if isinstance(part, int):
            continue
        field = model.model_fields.get(str(part))
        inner = None if field is None else _model_in(field.annotation)
        if inner is None:
            return []
        model = inner
    return list(model.model_fields)


def _model_in(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    if typing.get_origin(annotation) in (
        typing.Union,
        types.UnionType,
        tuple,
        typing.Annotated,
    ):
        for option in typing.get_args(annotation):
            found = _model_in(option)
            if found is not None:
                return found
    return None


def _real_path(location: tuple[str | int, ...], data: Any, *, absent: bool) -> KeyPath:
    """The part of a location that the user wrote; pydantic adds names of its own."""
    path: list[str | int] = []
    for number, part in enumerate(location):
        inside = (isinstance(data, dict) and part in data) or (
            isinstance(data, list | tuple) and isinstance(part, int) and part < len(data)
        )
        if not inside:
            if absent and number == len(location) - 1:
                path.append(part)
            break
        path.append(part)
        data = data[part]
    return tuple(path)


def presentable(value: Any) -> Any:
    """A value for a message: short, and without the password that an address may hold."""
    if isinstance(value, int) and abs(value) > LARGEST_NUMBER_SHOWN:
        return "a number of too many digits"
    if isinstance(value, date):
        return str(value)
    if not isinstance(value, str):
        return value
    text = _USER_IN_ADDRESS.sub(r"\1***@", value)
    return text if len(text) <= MOST_TEXT_SHOWN else f"{text[:MOST_TEXT_SHOWN]}..."


LARGEST_NUMBER_SHOWN = 10**30
MOST_TEXT_SHOWN = 200
_USER_IN_ADDRESS = re.compile(r"(://)[^/\s]*@")


def _value_at(path: KeyPath, data: Any) -> Any:
    for part in path:
        try:
            data = data[part]
        except (KeyError, IndexError, TypeError):
            return None
    return None if isinstance(data, dict | list) else data
