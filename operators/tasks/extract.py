"""Extract what the user's own JSON Schema asks for."""

from __future__ import annotations

import re
from typing import Annotated, Any, ClassVar

import pyarrow as pa
from pydantic import BeforeValidator, Field, WithJsonSchema, field_validator

from operators.tasks.arrow import Row, arrow_fields
from operators.tasks.base import PATH_FORMAT, Subject, Task, TaskOptions
from operators.tasks.forms import Answer
from operators.tasks.own_schema import Shape, answer_of, described, read_schema, row_of
from schemas.media import MediaKind
from schemas.tables import KEY_FIELDS, PROVENANCE_FIELDS

_NO_TABLE_NAME = re.compile(r"[^a-z0-9_]+")
_TAKEN = frozenset(field.name for field in (*KEY_FIELDS, *PROVENANCE_FIELDS))


def _read(value: Any) -> Any:
    return value if isinstance(value, Shape) else read_schema(value)


class ExtractOptions(TaskOptions):
    """Options of `extract`."""

    json_schema: Annotated[
        Shape,
        BeforeValidator(_read),
        WithJsonSchema(
            {"type": ["object", "string"], "format": PATH_FORMAT}, mode="validation"
        ),
    ] = Field(
        description="What to extract: a JSON Schema of type object, the path of a JSON file "
        "with one, or a pydantic class as `fields.py:Label`; paths are relative to the job "
        "file. Its properties become typed columns."
    )
    table: str | None = Field(
        default=None,
        pattern=r"^[a-z][a-z0-9_]{0,62}$",
        description="The output table; by default the task's name.",
    )

    @field_validator("json_schema")
    @classmethod
    def _columns_are_free(cls, value: Shape) -> Shape:
        taken = sorted(_TAKEN & {name for name, _ in value.properties})
        if taken:
            raise ValueError(
                f"json_schema: {', '.join(taken)} is a column of every table; choose another "
                "name"
            )
        return value

    @property
    def described(self) -> str:
        """The fields, as the instruction has them."""
        return described(self.json_schema)


class Extract(Task):
    """Extract fields of your own: any JSON Schema, typed columns in a table of their own.

    For attributes of products, forms and labels, quality checks.
    """

    id = "extract"
    version = 1
    summary = "Extract what your own JSON Schema asks for, as typed columns."
    takes = frozenset({MediaKind.IMAGE, MediaKind.IMAGES})
    table = "extractions"
    Options = ExtractOptions
    Columns = Row
    instruction = """
You extract fields from images. Say only what is visible; do not guess. The fields:
{{ options.described }}.
"""
    item_prompt = "Extract the fields from what is shown."
    sample: ClassVar[dict[str, Any]] = {"brand": "Acme", "colours": ["red"], "price": None}
    sample_options: ClassVar[dict[str, Any]] = {
        "json_schema": {
            "type": "object",
            "properties": {
                "brand": {"type": "string", "maxLength": 40},
                "colours": {"type": "array", "items": {"enum": ["red", "blue"]}},
                "price": {"type": ["number", "null"], "minimum": 0},
            },
        }
    }

    def answer(self, options: ExtractOptions, count: int) -> type[Answer]:
        """See `Task.answer`."""
        return answer_of(options.json_schema)

    def row(self, options: ExtractOptions, answer: Any, subject: Subject) -> Row:
        """See `Task.row`."""
        return row_of(options.json_schema)(**answer.model_dump())

    def columns(self, options: ExtractOptions) -> tuple[pa.Field, ...]:
        """See `Task.columns`."""
        return arrow_fields(row_of(options.json_schema))

    def table_of(self, options: ExtractOptions, name: str) -> str:
        """See `Task.table_of`."""
        return options.table or (_NO_TABLE_NAME.sub("_", name.lower()).strip("_") or self.table)
