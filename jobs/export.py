"""Export a job's answers and say what was written."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, get_args

from rich.console import Console
from rich.text import Text

from jobs.terminal import printable
from schemas.failure import UsageError
from schemas.job import JobSpec

if TYPE_CHECKING:
    from pipeline.export.report import ExportReport


def export_and_tell(
    console: Console, job: JobSpec, to: str, kind: str, text: str | None
) -> None:
    """Export, then print how much was written, what was left out, and where it is.

    Raises:
        UsageError: If the export cannot be done as asked.
        StorageError: If a store cannot be reached.
    """
    from pipeline.export.export import ExportFormat, export_job

    formats = get_args(ExportFormat)
    if kind not in formats:
        raise UsageError(f"--format {kind!r} is not known; expected {', '.join(formats)}")
    report = export_job(job, to, kind, text=text)  # type: ignore[arg-type]
    for line in summary(report, to):
        console.print(Text(printable(line)), soft_wrap=True)


def summary(report: ExportReport, to: str) -> Iterator[str]:
    """What an export did, line by line."""
    yield f"Wrote {report.written:,} of {report.listed:,} items, {len(report.files):,} files"
    yield f"  to {to}"
    if report.unanswered:
        fate = "copied with nulls" if report.copied else "left out"
        changed = f", {report.changed:,} of them changed since" if report.changed else ""
        yield f"  {report.unanswered:,} items without a result row: {fate}{changed}"
    if report.without_text:
        yield f"  {report.without_text:,} items without a text: left out"
    if report.without_media:
        yield f"  {report.without_media:,} items without any medium: left out"
    if report.media_left_out:
        yield f"  {report.media_left_out:,} media that could not be fetched: left out"
    for reason in report.reasons:
        yield f"    {reason}"
    if report.media_left_out > len(report.reasons):
        yield "    ..."
