"""Export a job's items with their answers."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from tempfile import gettempdir
from typing import Literal

import duckdb

from operators.tasks.registry import BoundTask, bind_tasks
from pipeline.delta import on_one_line
from pipeline.export.columns import answer_columns, text_column
from pipeline.export.copies import ManifestCopies
from pipeline.export.joined import Joined, joined_items
from pipeline.export.jsonl import write_jsonl
from pipeline.export.media import MediaReader
from pipeline.export.report import ExportReport
from pipeline.export.shards import ShardWriter
from pipeline.export.table import write_table
from pipeline.export.target import Target, open_target
from schemas.failure import StorageError, UsageError
from schemas.job import JobSpec

ExportFormat = Literal["jsonl", "webdataset", "parquet"]


def export_job(
    job: JobSpec, to: str, kind: ExportFormat, *, text: str | None = None
) -> ExportReport:
    """Write a job's items with the answers that its output holds of them.

    Args:
        job: Its input is listed anew and its output read; neither is changed.
        to: An empty folder or prefix.
        kind: What to write.
        text: Of ``webdataset`` alone: the task whose text goes with the media; None for the
            first caption.

    Returns:
        What was written and what was left out.

    Raises:
        UsageError: If the export cannot be done as asked.
        StorageError: If a store cannot be reached.
    """
    tasks = bind_tasks(job.tasks)
    if text is not None and kind != "webdataset":
        raise UsageError(f"--text goes with --format webdataset, not with {kind}")
    answer_columns(tasks)
    if kind == "webdataset":
        text_column(tasks, text)
    target = open_target(to, job, tasks)
    copies = _copies(job, tasks) if kind == "parquet" else None
    try:
        return _export(job, tasks, target, kind, text, copies)
    except (OSError, duckdb.Error) as error:
        raise StorageError(
            f"export: a file could not be read, or {gettempdir()} not written "
            f"({on_one_line(error)}); free space there or point TMPDIR elsewhere"
        ) from error


def _export(
    job: JobSpec,
    tasks: Sequence[BoundTask],
    target: Target,
    kind: ExportFormat,
    text: str | None,
    copies: ManifestCopies | None,
) -> ExportReport:
    with joined_items(job, tasks) as joined:
        report = ExportReport(
            listed=joined.listed,
            unanswered=joined.listed - joined.annotated,
            changed=joined.changed,
            copied=copies is not None,
            files=target.files,
        )
        if copies is not None:
            copies.write(joined.items(unanswered=True), answer_columns(tasks), target)
            report.written = joined.annotated
        elif kind == "webdataset":
            report.written = _write_shards(job, tasks, joined, target, text, report)
        elif kind == "parquet":
            report.written = write_table(joined.items(), answer_columns(tasks), target)
        else:
            report.written = write_jsonl(joined.items(), target)
    return report


def _copies(job: JobSpec, tasks: Sequence[BoundTask]) -> ManifestCopies | None:
    """The files to copy, where the job's manifest is made of Parquet alone."""
    if job.input.manifest is None:
        return None
    copies = ManifestCopies(job.input.manifest, job.storage)
    if not copies.possible():
        return None
    copies.refuse_taken_names(answer_columns(tasks))
    return copies


def _write_shards(
    job: JobSpec,
    tasks: Sequence[BoundTask],
    joined: Joined,
    target: Target,
    text: str | None,
    report: ExportReport,
) -> int:
    with closing(MediaReader(job)) as media:
        writer = ShardWriter(target, media, text_column(tasks, text), report)
        return writer.write(joined.items())
