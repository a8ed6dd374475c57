"""The oracle is no good unless it finds what is wrong: tables with a fault put in."""

from __future__ import annotations

import io
import json
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.chaos.delta_log import Files
from tests.chaos.oracle import LEASE_MARK, Findings, Key, Oracle
from tests.chaos.pictures import Mosaics, _digest, _mosaic

ITEMS = ["a", "b", "c", "d"]


def belongs(table: str, row: dict[str, Any]) -> bool:
    return row["caption"].startswith(row["item_id"])


def row(item: str, run: str, **changes: Any) -> dict[str, Any]:
    base = {"item_id": item, "task": "caption", "caption": f"{item} is shown", "run_id": run}
    return base | {"created_at": f"{run} {item}"} | changes


class Table:
    """A table written by hand, so that it can be written wrong."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.version = 0

    def put(self, path: str, rows: list[dict[str, Any]]) -> dict[str, Any]:
        """Write a data file; answers the log's action for it."""
        buffer = io.BytesIO()
        pq.write_table(pa.Table.from_pylist(rows), buffer)
        self.files[path] = buffer.getvalue()
        statistics = json.dumps({"numRecords": len(rows)})
        return {"add": {"path": path, "size": buffer.tell(), "stats": statistics}}

    def log(self, run: str, number: int, *actions: dict[str, Any], lease: int = 1) -> None:
        """Write a log entry."""
        marks = [{"txn": {"appId": run, "version": number}}]
        marks.append({"txn": {"appId": LEASE_MARK, "version": lease}})
        content = "\n".join(json.dumps(action) for action in [*marks, *actions])
        self.files[f"_delta_log/{self.version:020}.json"] = content.encode()
        self.version += 1

    def commit(self, run: str, number: int, rows: list[dict[str, Any]], lease: int = 1) -> None:
        self.log(run, number, self.put(f"part-{run}-{number}.parquet", rows), lease=lease)


@pytest.fixture
def table() -> Table:
    made = Table()
    made.commit("run-1", 1, [row("a", "run-1"), row("b", "run-1")])
    made.commit("run-1", 2, [row("c", "run-1")])
    return made


@pytest.fixture
def oracle() -> Oracle:
    return Oracle(ITEMS, {"caption": "captions"}, belongs)


def look(
    oracle: Oracle,
    table: Table,
    *,
    failures: Files | None = None,
    acknowledged: tuple[str, ...] = (),
    done: bool = False,
) -> Findings:
    keys = {("captions", item, "caption") for item in acknowledged}
    return oracle.look({"captions": table.files, "failures": failures or {}}, keys, done=done)


def keys(*items: str, table: str = "captions") -> set[Key]:
    return {(table, item, "caption") for item in items}


def test_what_is_right_is_found_right_and_counted(oracle, table) -> None:
    assert not look(oracle, table, acknowledged=("a", "b", "c"))
    assert (oracle.results, oracle.failures, oracle.pending) == (3, 0, 1)
    table.commit("run-2", 1, [row("d", "run-2")], lease=2)
    assert not look(oracle, table, acknowledged=("a", "b", "c", "d"), done=True)
    assert (oracle.results, oracle.failures, oracle.pending) == (4, 0, 0)


def test_a_failure_stands_for_an_item(oracle, table) -> None:
    failures = Table()
    failures.commit("run-1", 3, [row("d", "run-1")])
    assert not look(oracle, table, failures=failures.files, done=True)
    assert (oracle.results, oracle.failures, oracle.pending) == (3, 1, 0)


def test_an_item_that_is_nowhere_once_all_is_done_is_lost(oracle, table) -> None:
    assert not look(oracle, table)
    assert look(oracle, table, done=True).lost == keys("d")


def test_an_acknowledged_row_that_is_not_there_is_lost(oracle, table) -> None:
    assert look(oracle, table, acknowledged=("a", "d")).lost == keys("d")


def test_a_row_that_was_there_and_is_gone_is_lost(oracle, table) -> None:
    look(oracle, table)
    table.log("run-2", 1, {"remove": {"path": "part-run-1-1.parquet"}}, lease=2)
    assert look(oracle, table).lost == keys("a", "b")


def test_rows_whose_file_is_gone_are_lost(oracle, table) -> None:
    look(oracle, table)
    del table.files["part-run-1-2.parquet"]
    found = look(oracle, table)
    assert found.lost == keys("c")
    assert "not in the folder" in str(found.problems)


def test_a_log_that_lost_an_entry_is_a_problem(oracle, table) -> None:
    look(oracle, table)
    del table.files[f"_delta_log/{0:020}.json"]
    found = look(oracle, table)
    assert found.lost == keys("a", "b")
    assert "the log had 2 entries" in str(found.problems)


def test_a_second_row_of_an_item_is_doubled(oracle, table) -> None:
    table.commit("run-2", 1, [row("a", "run-2")], lease=2)
    assert look(oracle, table).doubled == keys("a")


def test_a_commit_that_was_applied_twice_is_doubled(oracle, table) -> None:
    [again] = [
        json.loads(line)
        for line in table.files[f"_delta_log/{1:020}.json"].splitlines()
        if b"add" in line
    ]
    table.files["part-run-1-2-again.parquet"] = table.files["part-run-1-2.parquet"]
    again["add"]["path"] = "part-run-1-2-again.parquet"
    table.log("run-1", 2, again)
    assert look(oracle, table).doubled == keys("c")


def test_a_result_and_a_failure_of_one_item_are_doubled_once_all_is_done(oracle, table) -> None:
    table.commit("run-1", 3, [row("d", "run-1")])
    failures = Table()
    failures.commit("run-1", 4, [row("d", "run-1")])
    assert not look(oracle, table, failures=failures.files)
    assert look(oracle, table, failures=failures.files, done=True).doubled == keys("d")


def test_a_dead_runs_file_that_is_made_visible_is_an_orphan(oracle, table) -> None:
    orphan = table.put("part-run-1-3.parquet", [row("d", "run-1")])
    assert not look(oracle, table)
    table.log("run-1", 3, orphan)
    assert look(oracle, table).orphans == keys("d")


def test_a_dead_runs_file_is_an_orphan_also_in_the_name_of_the_next(oracle, table) -> None:
    orphan = table.put("part-run-1-3.parquet", [row("d", "run-1")])
    look(oracle, table)
    table.log("run-2", 1, orphan, lease=2)
    assert look(oracle, table).orphans == keys("d")


def test_a_late_commit_of_a_run_that_had_ended_is_an_orphan(oracle, table) -> None:
    look(oracle, table)
    table.commit("run-1", 3, [row("d", "run-1")])
    assert look(oracle, table).orphans == keys("d")


def test_a_commit_under_a_lease_that_was_taken_over_is_an_orphan(oracle, table) -> None:
    table.log("run-2", 1, lease=2)
    table.commit("run-1", 3, [row("d", "run-1")], lease=1)
    assert look(oracle, table).orphans == keys("d")


def test_a_file_that_was_changed_after_its_commit_shows_orphans(oracle, table) -> None:
    table.put("part-run-1-2.parquet", [row("c", "run-1"), row("d", "run-1")])
    assert look(oracle, table).orphans == keys("c", "d")


def test_rows_of_an_item_that_there_is_not_are_orphans(oracle, table) -> None:
    table.commit("run-2", 1, [row("z", "run-2")], lease=2)
    assert look(oracle, table).orphans == keys("z")


def test_swapped_captions_are_mixed_up(oracle, table) -> None:
    swapped = [row("d", "run-2", caption="a is shown")]
    table.commit("run-2", 1, swapped, lease=2)
    assert look(oracle, table).mixed_up == keys("d")


def test_committed_work_that_is_done_again_is_seen(oracle, table) -> None:
    look(oracle, table)
    gone = {"remove": {"path": "part-run-1-2.parquet"}}
    table.log("run-2", 1, gone, table.put("part-run-2-1.parquet", [row("c", "run-2")]), lease=2)
    assert look(oracle, table) == Findings(rewritten=keys("c"))


def test_pictures_know_their_rows() -> None:
    pictures = Mosaics(3)
    first, second = (f"{_digest(_mosaic(n))} red circle" for n in range(2))
    name = "s3://chaos/in/00000.png"
    assert pictures.belongs("captions", {"item_id": name, "caption": first})
    assert not pictures.belongs("captions", {"item_id": name, "caption": second})
    assert pictures.belongs("answers", {"item_id": name, "answers": [{"answer": first}]})
    assert not pictures.belongs("answers", {"item_id": name, "answers": [{"answer": second}]})
