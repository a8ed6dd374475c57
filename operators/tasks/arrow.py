"""Arrow columns of a task's rows, from their pydantic model."""

from __future__ import annotations

import types
from typing import Annotated, Any, Union, get_args, get_origin

import pyarrow as pa
from pydantic import BaseModel, ConfigDict

_SCALARS = {str: pa.string(), int: pa.int64(), float: pa.float64(), bool: pa.bool_()}


class Row(BaseModel):
    """Base of a task's columns, in their order, and of the structs inside them."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def arrow_fields(row: type[Row]) -> tuple[pa.Field, ...]:
    """The columns of a row: text, whole number, number, truth, list, struct.

    A field that may be None is nullable.

    Raises:
        TypeError: If a field has another type.
    """
    return tuple(_field(name, info.annotation) for name, info in row.model_fields.items())


def _field(name: str, annotation: Any) -> pa.Field:
    if get_origin(annotation) in (Union, types.UnionType):
        [inner] = [part for part in get_args(annotation) if part is not types.NoneType]
        return pa.field(name, _type(inner), nullable=True)
    return pa.field(name, _type(annotation), nullable=False)


def _type(annotation: Any) -> pa.DataType:
    if get_origin(annotation) is Annotated:
        return _type(get_args(annotation)[0])
    if annotation in _SCALARS:
        return _SCALARS[annotation]
    if get_origin(annotation) is list:
        # Elements are not marked as required: Delta's writers differ on how they name that.
        [element] = get_args(annotation)
        return pa.list_(_type(element))
    if isinstance(annotation, type) and issubclass(annotation, Row):
        return pa.struct(arrow_fields(annotation))
    raise TypeError(f"no Arrow type for {annotation!r}")
