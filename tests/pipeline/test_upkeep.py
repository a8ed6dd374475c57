"""Vacuum and compact: fewer files, the same rows."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from deltalake import DeltaTable

from operators.storage import open_store
from pipeline import upkeep
from pipeline.commit import ResultSink, RowOrigin
from pipeline.delta import storage_options
from pipeline.lease import held_lease
from pipeline.output_table import OutputTable
from pipeline.plan import plan_folder
from pipeline.upkeep import Compacted, Vacuumed, compact, vacuum
from schemas.failure import OutputInUseError, UsageError
from schemas.job import OutputSpec, StorageSpec
from schemas.tables import RUNS_SCHEMA, RUNS_TABLE
from schemas.uris import join_uri
from tests.pipeline.rows import annotated, bound, table

COMMITS = 7


class Output:
    """An output with rows from many small commits, some replaced since."""

    def __init__(self, uri: str, storage: StorageSpec) -> None:
        self.uri, self.storage = uri, storage
        sink = self.sink("run-1")
        for number in range(COMMITS):
            sink.add(table(annotated(f"{number}"), annotated(f"{number}b")))
            sink.flush()
        later = self.sink("run-2")
        later.add(table(annotated("3", item_version="v2", replaces=True)))
        later.flush()

    def sink(self, run_id: str) -> ResultSink:
        made = ResultSink(
            OutputSpec(uri=self.uri),
            self.storage,
            [bound("caption")],
            RowOrigin(run_id, "m", None),
        )
        made.open()
        return made

    def rows(self) -> list[dict]:
        found = self._table().to_pyarrow_table()
        return found.sort_by("item_id").to_pylist()

    def _table(self) -> DeltaTable:
        uri = join_uri(self.uri, "captions")
        return DeltaTable(uri, storage_options=storage_options(uri, self.storage))

    def files(self) -> set[str]:
        """Data files in the folder, whether anybody reads them or not."""
        uri = join_uri(self.uri, "captions")
        listed = open_store(uri, self.storage).list(uri)
        return {info.key for info in listed if "_delta_log" not in info.key}

    def live(self) -> set[str]:
        return {uri.rpartition("/")[2] for uri in self._table().file_uris()}

    def sizes(self) -> list[int]:
        """Bytes of the live files."""
        found = pa.table(self._table().get_add_actions(flatten=True))
        return found.column("size_bytes").to_pylist()

    def plain(self) -> list[dict]:
        """All Parquet files, as a reader sees them that knows no log."""
        store, uri = open_store(self.uri, self.storage), join_uri(self.uri, "captions")
        parts = [
            pq.read_table(pa.BufferReader(store.get(join_uri(uri, name))))
            for name in self.files()
        ]
        return pa.concat_tables(parts).sort_by("item_id").to_pylist()


@pytest.fixture(params=["local", "s3"])
def output(request: pytest.FixtureRequest, tmp_path: Path) -> Output:
    if request.param == "local":
        return Output(str(tmp_path / "out"), StorageSpec(timeout_s=5))
    server, bucket = (request.getfixturevalue(name) for name in ("s3_server", "s3_bucket"))
    storage = StorageSpec(endpoint_url=server.endpoint_url, path_style=True, timeout_s=5)
    return Output(f"s3://{bucket}/out", storage)


def test_vacuum_leaves_just_the_files_that_readers_need(output: Output) -> None:
    rows = output.rows()
    orphan = join_uri(output.uri, "captions", "part-never-committed.parquet")
    open_store(orphan, output.storage).put(orphan, b"never committed")
    part = join_uri(plan_folder(output.uri, "run-0"), "part-000000.parquet")
    open_store(part, output.storage).put(part, b"x" * 10)
    before = output.files()
    assert len(before) == COMMITS + 3  # A row's file was written anew, and one is an orphan.

    planned = list(vacuum(output.uri, output.storage, keep_hours=0, dry_run=True))
    assert output.files() == before
    assert planned[0].place == "captions"
    assert planned[0].files == 2
    assert planned[0].size > len(b"never committed")
    assert planned[-1] == Vacuumed("plans", 1, 10)
    assert list(vacuum(output.uri, output.storage, keep_hours=0)) == planned
    assert output.files() == output.live()
    assert output.plain() == output.rows() == rows
    again = vacuum(output.uri, output.storage, keep_hours=0)
    assert [place.files for place in again] == [0] * len(planned)


def test_what_readers_may_be_reading_stays(output: Output) -> None:
    before = output.files()
    found = list(vacuum(output.uri, output.storage))
    assert [place.files for place in found] == [0] * len(found)
    assert output.files() == before


def test_compact_makes_few_files_of_many_with_the_same_rows(output: Output) -> None:
    rows, before = output.rows(), len(output.live())
    assert before == COMMITS + 1
    done = {one.table: one for one in compact(output.uri, output.storage)}
    assert done["captions"] == Compacted("captions", before, 1)
    assert output.rows() == rows
    assert next(compact(output.uri, output.storage)).files_before == 1
    list(vacuum(output.uri, output.storage, keep_hours=0))
    assert output.plain() == rows
    later = output.sink("run-3")
    later.add(table(annotated("5", item_version="v3", replaces=True), annotated("new")))
    later.flush()
    versions = {row["item_id"]: row["item_version"] for row in output.rows()}
    assert versions == {row["item_id"]: row["item_version"] for row in rows} | {
        "5": "v3",
        "new": "v1",
    }


def test_files_grow_to_the_target_and_no_further(
    output: Output, monkeypatch: pytest.MonkeyPatch
) -> None:
    sink, size = output.sink("run-3"), 40_000
    for number in range(7):
        answer = {"caption": os.urandom(size).hex(), "style": "short", "caution": None}
        sink.add(table(annotated(f"long-{number}", answer=json.dumps(answer))))
        sink.flush()
    rows = output.rows()
    target = 3 * size
    monkeypatch.setattr(upkeep, "TARGET_BYTES", target)
    captions = next(compact(output.uri, output.storage))
    assert captions.files_before == COMMITS + 1 + 7
    sizes = sorted(output.sizes())
    assert 3 <= captions.files_after == len(sizes) <= 5
    assert sizes[-1] <= 1.1 * target
    assert sizes[1] >= target / 2  # One may be small, for want of another.
    assert output.rows() == rows


def test_a_row_that_is_replaced_during_a_compaction_stays_replaced(
    output: Output, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = OutputTable._merging
    raced = []

    def merging(self, files):
        actions = real(self, files)
        if not raced:
            raced.append(True)
            edit = OutputTable(self.uri, self.schema, output.storage, "edit-1")
            [old] = [row for row in output.rows() if row["item_id"] == "2"]
            edit.upsert(pa.Table.from_pylist([old | {"caption": "by hand"}], self.schema))
        return actions

    monkeypatch.setattr(OutputTable, "_merging", merging)
    expected = [r | {"caption": "by hand"} if r["item_id"] == "2" else r for r in output.rows()]
    list(compact(output.uri, output.storage))
    assert raced
    assert output.rows() == expected


def test_tables_without_items_are_compacted_too(tmp_path: Path) -> None:
    uri = join_uri(str(tmp_path), RUNS_TABLE)
    for number in range(3):
        runs = OutputTable(uri, RUNS_SCHEMA, StorageSpec(), f"run-{number}")
        runs.ensure()
        row = dict.fromkeys(RUNS_SCHEMA.names) | {"run_id": f"{number}"}
        for field in RUNS_SCHEMA:
            if not field.nullable and row[field.name] is None:
                row[field.name] = "x" if pa.types.is_string(field.type) else 0
        runs.append(pa.Table.from_pylist([row], schema=RUNS_SCHEMA))
    assert list(compact(str(tmp_path), StorageSpec())) == [Compacted(RUNS_TABLE, 3, 1)]
    assert len(DeltaTable(uri).to_pyarrow_table()) == 3


@pytest.mark.parametrize("work", [vacuum, compact])
def test_neither_runs_beside_a_run_or_where_there_is_no_output(
    output: Output, tmp_path: Path, work
) -> None:
    with (
        held_lease(output.uri, output.storage, "run-9"),
        pytest.raises(OutputInUseError, match="run-9"),
    ):
        list(work(output.uri, output.storage))
    (tmp_path / "empty").mkdir()
    with pytest.raises(UsageError, match="no tables"):
        list(work(str(tmp_path / "empty"), StorageSpec()))
