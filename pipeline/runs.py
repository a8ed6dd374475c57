"""One row a run, for whoever wants to know what a night's work was."""

from __future__ import annotations

from datetime import UTC, datetime

import pyarrow as pa

from pipeline.commit import SinkCounts
from pipeline.lease import Lease
from pipeline.output_table import OutputTable
from pipeline.plan import PlanCounts
from pipeline.report import RunReport
from pipeline.version import own_version
from schemas.job import JobSpec
from schemas.tables import RUNS_SCHEMA, RUNS_TABLE, SCHEMA_VERSION
from schemas.uris import join_uri


def runs_table(job: JobSpec, run_id: str, lease: Lease) -> OutputTable:
    """The table of all runs to a job's output, as this run writes it."""
    uri = join_uri(job.output.uri, RUNS_TABLE)
    return OutputTable(uri, RUNS_SCHEMA, job.storage, run_id, lease)


def append_run(
    table: OutputTable,
    job: JobSpec,
    started_at: datetime,
    plan: PlanCounts,
    counts: SinkCounts,
    report: RunReport,
) -> None:
    """Commit the run's row. Raises `StorageError` if that fails."""
    row = {
        "run_id": report.run_id,
        "job": job.name,
        "spec": job.model_dump_json(),
        "schema_version": SCHEMA_VERSION,
        "tagline_version": own_version(),
        "started_at": started_at,
        "finished_at": datetime.now(UTC),
        "outcome": report.outcome,
        "items_listed": plan.listed,
        "items_current": plan.current,
        "items_planned": plan.planned,
        "items_done": report.items_done,
        "items_failed": report.items_failed,
        "rows_written": sum(report.rows_by_table.values()),
        "image_tokens": counts.image_tokens,
        "prompt_tokens": counts.prompt_tokens,
        "output_tokens": counts.output_tokens,
        "engine_start_s": report.engine_start_s,
        "annotate_s": report.annotate_s,
    }
    table.append(pa.Table.from_pylist([row], schema=table.schema))
