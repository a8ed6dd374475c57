from __future__ import annotations

import io
from datetime import UTC, datetime

import pyarrow as pa
import pytest
from deltalake import write_deltalake
from rich.console import Console

from jobs.show import cell, show_rows, show_tables
from schemas.failure import UsageError
from schemas.job import StorageSpec

LOCAL = StorageSpec()


@pytest.fixture
def output(tmp_path) -> str:
    rows = pa.table(
        {
            "item_id": ["b", "a", "c\x1b[2J"],
            "task": ["caption"] * 3,
            "caption": ["=1+1", "[red]no markup[/red]", "x"],
            "model": ["secret of provenance"] * 3,
        }
    )
    write_deltalake(str(tmp_path / "captions"), rows)
    return str(tmp_path)


def printed(show, *arguments) -> str:
    text = io.StringIO()
    show(Console(file=text, width=120), *arguments)
    return text.getvalue()


def test_tables_are_listed_with_their_rows(output):
    lines = printed(show_tables, output, LOCAL).splitlines()
    assert [line.split()[:2] for line in lines] == [["table", "rows"], ["captions", "3"]]


def test_rows_are_plain_text_in_the_order_of_items(output):
    shown = printed(show_rows, output, "captions", 2, LOCAL)
    assert shown.index("[red]no markup[/red]") < shown.index("=1+1")
    assert len(shown.splitlines()) == 3
    assert "provenance" not in shown


def test_escape_sequences_of_strangers_do_not_reach_the_terminal(output):
    shown = printed(show_rows, output, "captions", 9, LOCAL)
    assert "\x1b" not in shown
    assert "c\\x1b[2J" in shown


def test_a_table_that_is_not_there_is_named_with_those_that_may_be(output):
    with pytest.raises(UsageError, match=r"no table nonsense.*captions, tags"):
        printed(show_rows, output, "nonsense", 1, LOCAL)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, ""),
        (0.123, "0.12"),
        (datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC), "2026-01-02 03:04:05"),
        ([{"tag": "mug", "path": None}, {"tag": "red", "path": None}], "mug, red"),
        ([{"start_s": 0.0, "end_s": 1.5, "title": "A mug"}], "0.0-1.5 s A mug"),
        ({"a": 1, "b": "x"}, "1 x"),
    ],
)
def test_cells_are_written_for_people(value, text):
    assert cell(value) == text


def test_tables_that_tasks_name_are_listed_after_the_shipped_and_before_our_own(
    output, tmp_path
):
    for name in ("runs", "zebras", "failures", "answers", "apples"):
        write_deltalake(str(tmp_path / name), pa.table({"item_id": ["a"], "task": ["t"]}))
    (tmp_path / "_tagline").mkdir()
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "a.txt").write_text("no table")
    lines = printed(show_tables, output, LOCAL).splitlines()
    names = [line.split()[0] for line in lines[1:]]
    assert names == ["captions", "answers", "apples", "zebras", "failures", "runs"]
    with pytest.raises(UsageError, match="apples, zebras, failures, runs"):
        printed(show_rows, output, "nonsense", 1, LOCAL)
