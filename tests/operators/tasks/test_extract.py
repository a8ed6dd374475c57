"""Fields by a schema of the user's own."""

from __future__ import annotations

import json

import pyarrow as pa
import pytest
from pydantic import ValidationError

from operators.tasks.extract import Extract, ExtractOptions
from operators.tasks.registry import bind_tasks
from schemas.failure import UsageError
from schemas.job import TaskSpec
from tests.operators.tasks.asking import (
    SCHEMA,
    bound,
    question_of,
)


def test_a_schema_of_the_users_own_becomes_typed_columns():
    task = bound("extract", json_schema=SCHEMA)
    columns = {field.name: field for field in task.task.columns(task.options)}
    assert columns["sizes"].type == pa.list_(pa.string())
    assert (columns["price"].type, columns["price"].nullable) == (pa.float64(), True)
    assert (columns["pieces"].type, columns["brand"].nullable) == (pa.int64(), False)
    label = columns["label"].type
    assert label.field("clean").type == pa.bool_()
    assert task.table == "extract"
    assert bound("extract", json_schema=SCHEMA, table="labels").table == "labels"
    asked = question_of(task)
    assert "brand (as printed)" in asked.system
    assert "price (null if it cannot be seen)" in asked.system


def test_a_schema_may_lie_in_a_file(tmp_path):
    path = tmp_path / "schema.json"
    path.write_text(json.dumps(SCHEMA))
    of_file = bound("extract", json_schema=str(path)).fingerprint_parts()
    assert of_file == bound("extract", json_schema=SCHEMA).fingerprint_parts()


@pytest.mark.parametrize(
    ("part", "message"),
    [
        ({"type": "string", "pattern": "a+"}, "json_schema.x: an answer cannot be held to pat"),
        ({"type": "date"}, "expected a type out of"),
        ({"type": ["string", "integer"]}, "expected a type out of"),
        ({"type": "array"}, "json_schema.x.items: expected a schema"),
        ({"type": "object"}, "expected properties"),
        ({"enum": ["a", "a"]}, "different texts"),
        ({"enum": [1, 2]}, "different texts"),
        ({"type": "integer", "minimum": 5, "maximum": 1}, "numbers in order"),
        ({"$ref": "#/x"}, "expected a type"),
        (3, "expected a schema, not 3"),
    ],
)
def test_a_schema_that_no_answer_can_be_held_to_is_refused_at_its_place(part, message):
    with pytest.raises(UsageError, match=message):
        bound("extract", json_schema={"type": "object", "properties": {"x": part}})


@pytest.mark.parametrize(
    ("schema", "message"),
    [
        ("/nowhere/schema.json", "cannot be read"),
        ({"type": "string"}, "expected type: object"),
        ({"type": "object", "properties": {"item_id": {"type": "string"}}}, "every table"),
        ({"type": "object", "properties": {"a b": {"type": "string"}}}, "expected names"),
    ],
)
def test_a_schema_that_makes_no_columns_is_refused(schema, message):
    with pytest.raises(UsageError, match=message):
        bound("extract", json_schema=schema)


def test_two_tasks_cannot_write_different_columns_to_one_table():
    other = {"type": "object", "properties": {"x": {"type": "string"}}}
    specs = [
        TaskSpec(task="extract", name=name, options={"json_schema": schema, "table": "t"})
        for name, schema in (("a", SCHEMA), ("b", other))
    ]
    with pytest.raises(UsageError, match="different columns to table 't'"):
        bind_tasks(specs)
    own = {"json_schema": other, "table": "failures"}
    with pytest.raises(UsageError, match="a table of Tagline's own"):
        bind_tasks([TaskSpec(task="extract", name="x", options=own)])


LABEL = """
from enum import Enum
from typing import Literal
from pydantic import BaseModel, Field

class Colour(str, Enum):
    red = "red"
    blue = "blue"

class Part(BaseModel):
    name: str = Field(max_length=20)
    worn: bool

class Label(BaseModel):
    brand: str | None = Field(max_length=40, description="as printed")
    colour: Colour
    size: Literal["S", "M"] | None = None
    parts: list[Part] = Field(max_length=3)
    main: Part | None
    pieces: int = Field(ge=0, le=9)

class Endless(BaseModel):
    inner: "Endless"

class Odd(BaseModel):
    when: "int | str"

NOT_A_MODEL = 3
"""


def test_a_pydantic_class_gives_typed_columns(tmp_path):
    (tmp_path / "fields.py").write_text(LABEL)
    options = ExtractOptions(json_schema=f"{tmp_path}/fields.py:Label")
    columns = {field.name: field for field in Extract().columns(options)}
    assert [str(field.type) for field in columns.values()] == [
        "string",
        "string",
        "string",
        "list<item: struct<name: string not null, worn: bool not null>>",
        "struct<name: string not null, worn: bool not null>",
        "int64",
    ]
    nullable = {name for name, field in columns.items() if field.nullable}
    assert nullable == {"brand", "size", "main"}
    assert "as printed" in options.described
    assert options.json_schema.properties[1][1].choices == ("red", "blue")


@pytest.mark.parametrize(
    ("address", "says"),
    [
        ("fields.py:Gone", "no pydantic class 'Gone'"),
        ("fields.py:NOT_A_MODEL", "no pydantic class"),
        ("fields.py:Endless", "contains itself"),
        ("fields.py:Odd", "expected a type out of"),
        ("nowhere.py:Label", "no Python file"),
        ("broken.py:Label", "ZeroDivisionError"),
    ],
)
def test_a_class_that_cannot_be_used_is_refused_in_words(tmp_path, address, says):
    (tmp_path / "fields.py").write_text(LABEL)
    (tmp_path / "broken.py").write_text("1 / 0")
    with pytest.raises(ValidationError, match=says):
        ExtractOptions(json_schema=f"{tmp_path}/{address}")
