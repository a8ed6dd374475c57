"""Who takes an output over shuts the run before out of all of its tables."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Callable
from dataclasses import asdict

import pyarrow as pa
import pytest
from deltalake import DeltaTable, write_deltalake

from pipeline.commit import ResultSink, RowOrigin
from pipeline.lease import Holder, Lease
from pipeline.upkeep import compact, vacuum
from schemas.failure import OutputInUseError
from schemas.job import OutputSpec, StorageSpec
from tests.pipeline.rows import annotated, bound, table
from tests.pipeline.test_run import Bench


def run_of_another_task(bench: Bench) -> None:
    bench.input.mkdir()
    bench.run(bench.job(tasks=["story"]))


@pytest.mark.parametrize(
    "take_over",
    [lambda bench: list(vacuum(str(bench.output), StorageSpec())), run_of_another_task],
    ids=["vacuum", "run of another task"],
)
def test_a_late_commit_to_a_table_that_the_successor_does_not_write_is_refused(
    tmp_path, checkpoint, take_over: Callable[[Bench], object]
) -> None:
    bench = Bench(tmp_path, checkpoint)
    late = ResultSink(
        OutputSpec(uri=str(bench.output)),
        StorageSpec(),
        [bound("caption")],
        RowOrigin("run-1", "tiny", None),
        Lease(1),
    )
    late.open()
    write_deltalake(str(bench.output / "somebody-elses"), pa.table({"x": [1]}))
    late.add(table(annotated("a")))
    dead = Holder("run-1", socket.gethostname(), os.getpid(), 1.0, "2026-01-01 00:00:00 UTC")
    lease = bench.output / "_tagline" / "leases" / "000000001.json"
    lease.parent.mkdir(parents=True)
    lease.write_text(json.dumps(asdict(dead)))

    take_over(bench)
    with pytest.raises(OutputInUseError, match="taken over"):
        late.flush()
    assert bench.rows("captions") == []
    assert DeltaTable(str(bench.output / "somebody-elses")).version() == 0


def test_upkeep_leaves_alone_what_is_somebody_elses(tmp_path) -> None:
    output = tmp_path / "out"
    sink = ResultSink(
        OutputSpec(uri=str(output)),
        StorageSpec(),
        [bound("caption")],
        RowOrigin("run-1", "tiny", None),
    )
    sink.open()
    other = output / "somebody-elses"
    for number in range(3):
        write_deltalake(str(other), pa.table({"x": [number]}), mode="overwrite")
    before = sorted(path.name for path in other.rglob("*") if path.is_file())
    places = [done.place for done in vacuum(str(output), StorageSpec(), keep_hours=0)]
    assert places == ["captions", "failures", "plans"]
    assert [done.table for done in compact(str(output), StorageSpec())] == places[:2]
    assert before == sorted(path.name for path in other.rglob("*") if path.is_file())
