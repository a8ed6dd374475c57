"""Outputs of earlier and later versions of Tagline."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa
import pytest
from deltalake import DeltaTable, write_deltalake

from pipeline.output_format import note_format, require_known_format
from pipeline.output_table import OutputTable
from pipeline.upkeep import compact
from schemas.failure import UsageError
from schemas.job import StorageSpec
from schemas.tables import FAILURES_SCHEMA, SCHEMA_VERSION
from tests.pipeline.rows import annotated, bound, table
from tests.pipeline.test_commit import make_sink, rows_of

STORAGE = StorageSpec(timeout_s=5)
ADDED_IN_4 = ("repairs", "copied_from", "copy_distance", "gone_at")


def mark(root: Path) -> Path:
    return root / "_tagline" / "format.json"


def test_an_output_of_this_version_is_marked_and_known(tmp_path: Path) -> None:
    require_known_format(str(tmp_path), STORAGE)
    note_format(str(tmp_path), STORAGE)
    assert json.loads(mark(tmp_path).read_text())["schema_version"] == SCHEMA_VERSION
    require_known_format(str(tmp_path), STORAGE)


@pytest.mark.parametrize("act", [require_known_format, lambda *of: list(compact(*of))])
def test_an_output_of_a_later_version_is_refused_with_both_versions(tmp_path, act) -> None:
    sink = make_sink(str(tmp_path))
    sink.open()
    mark(tmp_path).parent.mkdir(exist_ok=True)
    later = {"schema_version": SCHEMA_VERSION + 1, "tagline_version": "9.9"}
    mark(tmp_path).write_text(json.dumps(later))
    with pytest.raises(UsageError) as refused:
        act(str(tmp_path), STORAGE)
    told = str(refused.value)
    assert f"version {SCHEMA_VERSION + 1}" in told
    assert "Tagline 9.9" in told
    assert f"up to {SCHEMA_VERSION}" in told


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"schema_version": "x"}', "\x00\xff"])
def test_a_mark_that_says_nothing_is_an_error_with_its_place(tmp_path, content) -> None:
    mark(tmp_path).parent.mkdir()
    mark(tmp_path).write_text(content)
    with pytest.raises(UsageError, match=r"format\.json does not say"):
        require_known_format(str(tmp_path), STORAGE)


def as_version_3(schema: pa.Schema) -> pa.Schema:
    return pa.schema([field for field in schema if field.name not in ADDED_IN_4])


def test_a_table_of_an_earlier_version_gets_its_columns_and_keeps_its_rows(tmp_path) -> None:
    new = bound("caption").table_schema()
    first = make_sink(str(tmp_path / "new"))
    first.add(table(annotated("a"), annotated("b")))
    first.flush()
    old_rows = DeltaTable(tmp_path / "new" / "captions").to_pyarrow_table()
    old = old_rows.select(as_version_3(new).names)
    write_deltalake(tmp_path / "old" / "captions", old)

    sink = make_sink(str(tmp_path / "old"), "run-2")
    sink.add(table(annotated("b", item_version="v2", replaces=True), annotated("c")))
    sink.flush()
    rows = {row["item_id"]: row for row in rows_of(str(tmp_path / "old"), "captions")}
    assert set(rows) == {"a", "b", "c"}
    assert (rows["a"]["run_id"], rows["b"]["run_id"]) == ("run-1", "run-2")
    assert {rows["a"][name] for name in ADDED_IN_4} == {None}
    held = DeltaTable(tmp_path / "old" / "captions").schema()
    assert {field.name for field in held.fields} == set(new.names)
    # A plain reader of the folder's live files sees all of them with the same types.
    again = make_sink(str(tmp_path / "old"), "run-3")
    again.add(table(annotated("a", item_version="v2", replaces=True)))
    again.flush()
    assert {row["run_id"] for row in rows_of(str(tmp_path / "old"), "captions")} == {
        "run-2",
        "run-3",
    }


def test_a_table_made_for_other_answers_is_named_with_the_columns(tmp_path) -> None:
    write_deltalake(tmp_path / "failures", pa.table({"item_id": ["a"], "colour": ["red"]}))
    held = OutputTable(str(tmp_path / "failures"), FAILURES_SCHEMA, STORAGE, "run-1")
    with pytest.raises(UsageError, match="colour"):
        held.ensure()
