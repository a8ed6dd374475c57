"""Whether a value that a person wrote fits a column, and how it is written as text."""

from __future__ import annotations

import math
from typing import Any

import pyarrow as pa


def plain_schema(schema: pa.Schema) -> pa.Schema:
    """A schema as our own tables declare it: the log names the entries of lists otherwise."""
    return pa.schema([_plain_field(field) for field in schema])


def _plain_field(field: pa.Field) -> pa.Field:
    return pa.field(field.name, _plain_type(field.type), nullable=field.nullable)


def _plain_type(kind: pa.DataType) -> pa.DataType:
    if pa.types.is_list(kind):
        entry = kind.value_field
        return pa.list_(pa.field("item", _plain_type(entry.type), nullable=entry.nullable))
    if pa.types.is_struct(kind):
        return pa.struct([_plain_field(field) for field in kind])
    return kind


def expected_of(field: pa.Field) -> str:
    """What a column takes, for people."""
    return f"{field.type}{' or null' if field.nullable else ', not null'}"


def misfit(value: Any, field: pa.Field, where: str) -> str | None:
    """Where a value is not of a column's type: the place and what is there; None if it fits."""
    if value is None:
        return None if field.nullable else f"{where} is null"
    if pa.types.is_list(field.type):
        return _misfit_in_list(value, field.type.value_field, where)
    if pa.types.is_struct(field.type):
        return _misfit_in_struct(value, field.type, where)
    return None if _is_of(value, field.type) else f"{where} is {_short(value)}"


def _misfit_in_list(value: Any, entry: pa.Field, where: str) -> str | None:
    if not isinstance(value, list):
        return f"{where} is {_short(value)}"
    faults = (misfit(one, entry, f"{where}[{n}]") for n, one in enumerate(value))
    return next((fault for fault in faults if fault), None)


def _misfit_in_struct(value: Any, kind: pa.StructType, where: str) -> str | None:
    if not isinstance(value, dict):
        return f"{where} is {_short(value)}"
    unknown = sorted(value.keys() - {field.name for field in kind})
    if unknown:
        return f"{where} has no field {unknown[0]!r}"
    faults = (misfit(value.get(field.name), field, f"{where}.{field.name}") for field in kind)
    return next((fault for fault in faults if fault), None)


def _is_of(value: Any, kind: pa.DataType) -> bool:
    if pa.types.is_string(kind):
        return isinstance(value, str) and is_text(value)
    if pa.types.is_boolean(kind):
        return isinstance(value, bool)
    if isinstance(value, bool):
        return False
    if pa.types.is_integer(kind):
        bound = 1 << (kind.bit_width - 1)
        return isinstance(value, int) and -bound <= value < bound
    if pa.types.is_floating(kind):
        return isinstance(value, int | float) and _is_finite(value)
    return False


def is_text(value: str) -> bool:
    """Whether it has no half of a surrogate pair, which no file can hold."""
    return not any("\ud800" <= char <= "\udfff" for char in value)


def _is_finite(value: float) -> bool:
    try:
        return math.isfinite(value)
    except OverflowError:  # an integer that no float holds
        return False


def from_text(text: str, kind: pa.DataType) -> Any:
    """What a CSV cell stands for in a column; the text itself if it is no such value."""
    try:
        if pa.types.is_integer(kind):
            return int(text)
        if pa.types.is_floating(kind):
            return float(text)
    except ValueError:
        return text
    if pa.types.is_boolean(kind):
        return {"true": True, "false": False}.get(text.strip().lower(), text)
    return text


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= MAX_SHOWN_CHARS else f"{text[:MAX_SHOWN_CHARS]}..."


MAX_SHOWN_CHARS = 60
