"""A run's writes without Ray and without a model: all that a store sees of one.

It takes the steps of `pipeline.run` in their order, with the same parts; rows are made up
where workers would make them. It ends in a second, so that it can be killed everywhere.
"""

from __future__ import annotations

import io
import os
import uuid
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

import pipeline.lease
from operators.storage import open_store
from pipeline.commit import ResultSink, RowOrigin
from pipeline.known_prints import note_fingerprints
from pipeline.lease import Lease, held_lease
from pipeline.output_format import note_format, require_known_format
from pipeline.owed import OwedTask
from pipeline.plan import Plan, make_plan, remove_plan
from pipeline.report import RunReport
from pipeline.runs import append_run, runs_table
from schemas.failure import FailureCode
from schemas.item import Item
from schemas.item_tables import plan_to_items
from schemas.job import JobSpec, StorageSpec
from tests.pipeline.rows import annotated, bound, failed, listed, table

NIGHTS = (
    {"a": "v1", "b": "v1", "c": "v1", "fails": "v1"},
    {"a": "v1", "b": "v2", "c": "v1", "fails": "v1", "d": "v1", "fails-too": "v1"},
)
"""Versions of the items that each run finds; what fails, fails in the first night only."""

ROWS_A_COMMIT = 2
TASK = OwedTask(bound("caption"), {"image": "f1"}, {"image": {"prompt": "p1"}})


def small_run(endpoint: str, output: str, journal: Path, night: int) -> None:
    """Run one night's job.

    Args:
        endpoint: Of the S3 server.
        output: Root of the output.
        journal: Gets a line for each row that is committed.
        night: Index in `NIGHTS`.
    """
    # A beat comes by the clock: it would be a write of one run and not of the next.
    pipeline.lease.BEAT_S = 3600.0
    storage = StorageSpec(endpoint_url=endpoint, path_style=True, timeout_s=20)
    run_id = f"night-{night}-{uuid.uuid4().hex[:8]}"
    require_known_format(output, storage)
    with held_lease(output, storage, run_id) as lease:
        _run(_job(output, storage), run_id, lease, journal, night)


def _job(output: str, storage: StorageSpec) -> JobSpec:
    return JobSpec.model_validate(
        {"input": "s3://in/", "tasks": ["caption"], "output": output}
    ).model_copy(update={"storage": storage})


def _run(job: JobSpec, run_id: str, lease: Lease, journal: Path, night: int) -> None:
    output, storage, began = job.output.uri, job.storage, datetime.now(UTC)
    origin = RowOrigin(run_id, "tiny", None)
    sink = ResultSink(job.output, storage, [TASK.bound], origin, lease)
    sink.open()
    runs = runs_table(job, run_id, lease)
    runs.ensure()
    note_format(output, storage)
    note_fingerprints(output, storage, [TASK])
    items = [listed(name, version) for name, version in NIGHTS[night].items()]
    plan = make_plan(iter(items), [TASK], output, storage, run_id=run_id, attempts=3)
    if plan.resolved is not None and plan.resolved.num_rows:
        sink.failures.remove(plan.resolved)
    rows = [_row(item, night) for item in _planned(plan, storage)]
    for start in range(0, len(rows), ROWS_A_COMMIT):
        some = rows[start : start + ROWS_A_COMMIT]
        sink.add(table(*some))
        sink.flush()
        _acknowledge(journal, [row["item_id"] for row in some if row["failure"] is None])
    remove_plan(plan, storage)
    append_run(runs, job, began, plan.counts, sink.counts, _report(run_id, plan, output))


def _planned(plan: Plan, storage: StorageSpec) -> list[Item]:
    items = []
    for uri in plan.parts:
        data = open_store(uri, storage).get(uri, max_bytes=10**8)
        items += plan_to_items(pq.read_table(io.BytesIO(data)))
    return sorted(items, key=lambda item: item.item_id)


def _row(item: Item, night: int) -> dict[str, Any]:
    [pending] = item.tasks
    about = {"item_version": item.item_version} | {
        name: getattr(pending, name)
        for name in ("fingerprint", "replaces", "attempt", "failed_before")
    }
    if item.item_id == "fails-too" or (night == 0 and item.item_id == "fails"):
        return failed(item.item_id, FailureCode.UNPARSABLE, **about)
    return annotated(item.item_id, **about)


def _acknowledge(journal: Path, items: list[str]) -> None:
    with open(journal, "a", encoding="utf-8") as file:
        file.writelines(f"{item}\n" for item in items)
        file.flush()
        os.fsync(file.fileno())


def _report(run_id: str, plan: Plan, output: str) -> RunReport:
    counts = plan.counts
    return RunReport(
        run_id=run_id,
        outcome="done",
        items_listed=counts.listed,
        items_skipped_names=0,
        items_current=counts.current,
        items_given_up=counts.gave_up,
        items_without_task=counts.without_task,
        items_planned=counts.planned,
        items_done=counts.planned,
        items_failed=0,
        rows_gone=0,
        rows_by_table={},
        failures_by_code={},
        engine_start_s=0.0,
        annotate_s=0.0,
        items_per_s=0.0,
        output=output,
        tables={},
        log_path="",
    )
