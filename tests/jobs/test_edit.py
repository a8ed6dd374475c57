"""`tagline edit` as a user meets it: in a process of its own."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pytest
from deltalake import DeltaTable

from pipeline.output_table import OutputTable
from schemas.job import StorageSpec
from tests.jobs.test_cli import tagline
from tests.pipeline.rows import bound


@pytest.fixture
def output(tmp_path) -> Path:
    """An output with two captions."""
    caption = {"task": "caption", "caption": "A mug", "style": "short"}
    provenance = {
        "uris": ["a"],
        "item_version": "v",
        "fingerprint": "f",
        "model": "m",
        "run_id": "r",
        "created_at": datetime(2026, 1, 2, tzinfo=UTC),
        "image_tokens": 1,
        "prompt_tokens": 1,
        "output_tokens": 1,
        "finish_reason": "stop",
        "attempt": 1,
    }
    uri = tmp_path / "out" / "captions"
    schema = bound("caption").table_schema()
    table = OutputTable(str(uri), schema, StorageSpec(), "run-1")
    table.ensure()
    rows = [{"item_id": item_id} | caption | provenance for item_id in ("a", "b")]
    table.append(pa.Table.from_pylist(rows, schema=schema))
    return tmp_path / "out"


def captions(output: Path) -> dict[str, str]:
    rows = DeltaTable(str(output / "captions")).to_pyarrow_table().to_pylist()
    return {row["item_id"]: row["caption"] for row in rows}


def test_edit_says_how_many_rows_it_edited(output, tmp_path):
    edits = tmp_path / "edits.jsonl"
    edits.write_text(json.dumps({"item_id": "a", "caption": "A cup"}))
    done = tagline("edit", str(output), str(edits), "--table", "captions")
    assert (done.returncode, done.stdout) == (0, "Edited 1 row of captions\n")
    assert captions(output) == {"a": "A cup", "b": "A mug"}


def test_edit_with_a_problem_is_exit_2_and_edits_nothing(output, tmp_path):
    edits = tmp_path / "edits.csv"
    edits.write_text("item_id,caption\na,A cup\nc,A cup\n")
    done = tagline("edit", str(output), str(edits), "--table", "captions")
    assert done.returncode == 2
    assert "line 3: the table has no row of item 'c'" in done.stderr
    assert captions(output) == {"a": "A mug", "b": "A mug"}


@pytest.mark.parametrize(
    ("table", "edits", "said"),
    [
        ("captions", "absent.jsonl", "absent.jsonl"),
        ("tags", "edits.jsonl", "no table tags"),
        ("runs", "edits.jsonl", "only results can be edited"),
    ],
)
def test_edit_of_what_is_not_there_is_exit_2(output, tmp_path, table, edits, said):
    (tmp_path / "edits.jsonl").write_text(json.dumps({"item_id": "a", "caption": "x"}))
    done = tagline("edit", str(output), str(tmp_path / edits), "--table", table)
    assert done.returncode == 2
    assert said in done.stderr
    assert "Traceback" not in done.stderr
