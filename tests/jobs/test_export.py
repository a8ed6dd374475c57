"""`tagline export` and what it refuses."""

from __future__ import annotations

from pathlib import Path

import pytest

from jobs.export import summary
from pipeline.export.report import ExportReport
from tests.jobs.test_cli import GOOD, tagline


@pytest.fixture
def job_file(tmp_path) -> Path:
    path = tmp_path / "job.yaml"
    path.write_text(GOOD)
    return path


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--format", "jsonl"], "--to"),
        (["--to", "/nowhere/to"], "--format"),
        (["--to", "/nowhere/to", "--format", "csv"], "expected jsonl, webdataset, parquet"),
        (["--to", "/nowhere/in/x", "--format", "jsonl"], "lies in the job's input"),
        (["--to", "/nowhere/to", "--format", "jsonl"], "/nowhere/in"),
    ],
    ids=str,
)
def test_bad_usage_is_exit_2_with_its_reason(job_file, options, words):
    done = tagline("export", str(job_file), *options)
    assert done.returncode == 2
    assert words in done.stderr
    assert "Traceback" not in done.stderr


def test_every_loss_has_its_line():
    report = ExportReport(listed=2000, written=1990, unanswered=5, changed=2, files=["a", "b"])
    report.without_text, report.without_media = 3, 2
    for number in range(12):
        report.leave_out_medium(f"'item{number}': it is gone")
    lines = list(summary(report, "s3://b/to"))
    assert lines[:6] == [
        "Wrote 1,990 of 2,000 items, 2 files",
        "  to s3://b/to",
        "  5 items without a result row: left out, 2 of them changed since",
        "  3 items without a text: left out",
        "  2 items without any medium: left out",
        "  12 media that could not be fetched: left out",
    ]
    assert lines[6] == "    'item0': it is gone"
    assert len(lines) == 6 + 10 + 1


def test_rows_of_a_copy_are_kept_without_answers():
    report = ExportReport(listed=3, written=2, unanswered=1, copied=True)
    assert "  1 items without a result row: copied with nulls" in summary(report, "to")
