from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace

import pyarrow as pa
from deltalake import write_deltalake

from jobs.summary import python_line, show_line, summary_lines
from pipeline.delta import storage_options
from schemas.job import StorageSpec
from tests.jobs.reports import REPORT


def test_the_summary_says_what_was_done_and_where_it_is():
    text = "\n".join(summary_lines(REPORT, StorageSpec()))
    for part in ("items listed             60", "captions                 48"):
        assert part in text
    assert "failed items              2  (2 not_media; see table failures)" in text
    assert "s3://b/out/captions" in text
    assert "tagline show s3://b/out" in text


def test_outcomes_are_told_apart():
    def first(**changes) -> str:
        return summary_lines(replace(REPORT, **changes), StorageSpec())[0]

    assert first() == "Done."
    assert "Nothing new to do: 10 items up to date" in first(outcome="nothing_to_do")
    empty = first(outcome="nothing_to_do", items_listed=0)
    assert "no images or videos; 1 file of other kinds passed over" in empty
    assert "More items failed" in first(outcome="over_budget")
    assert "run the same job again" in first(outcome="interrupted")


def test_what_is_neither_done_nor_to_be_done_is_told_so_that_the_counts_add_up():
    changes = {"items_current": 10, "items_given_up": 1200, "items_without_task": 7}
    idle = replace(REPORT, outcome="nothing_to_do", failures_by_code={}, **changes)
    lines = summary_lines(idle, StorageSpec())
    assert lines[0] == (
        "Nothing new to do: 10 items up to date, 1,200 given up after failures, 7 of kinds "
        "that no task takes."
    )
    assert (
        "  given up before       1,200  (failed before, not tried again; see tagline failures)"
        in lines
    )
    assert "  no task for them          7" in lines
    assert any(line.endswith("--table failures") for line in lines)


def test_failures_come_with_the_command_that_shows_them():
    lines = summary_lines(REPORT, StorageSpec())
    assert "  tagline show s3://b/out --table failures" in lines
    fine = summary_lines(replace(REPORT, failures_by_code={}), StorageSpec())
    assert not any("--table failures" in line for line in fine)


def test_the_commands_are_quoted_and_name_the_endpoint():
    storage = StorageSpec(endpoint_url="http://minio:9000")
    line = show_line(replace(REPORT, output="/tmp/my out"), storage)
    assert line == "tagline show '/tmp/my out' --endpoint-url http://minio:9000"


def in_a_shell(line: str) -> subprocess.CompletedProcess[str]:
    path = os.path.dirname(sys.executable) + os.pathsep + os.environ["PATH"]
    return subprocess.run(
        ["bash", "-c", line], env=os.environ | {"PATH": path}, capture_output=True, text=True
    )


def test_the_python_line_works_in_a_shell(tmp_path):
    uri = str(tmp_path / "it's \U0001f600 here")
    write_deltalake(uri, pa.table({"caption": ["a red mug"]}))
    done = in_a_shell(python_line(replace(REPORT, tables={"captions": uri}), StorageSpec()))
    assert "a red mug" in done.stdout, done.stderr


def test_the_python_line_works_on_an_object_store(s3_server, s3_bucket):
    storage = StorageSpec(endpoint_url=s3_server.endpoint_url, region="us-east-1")
    uri = f"s3://{s3_bucket}/out/captions"
    rows = pa.table({"caption": ["a red mug"]})
    write_deltalake(uri, rows, storage_options=storage_options(uri, storage))
    report = replace(REPORT, output=f"s3://{s3_bucket}/out", tables={"captions": uri})
    done = in_a_shell(python_line(report, storage))
    assert "a red mug" in done.stdout, done.stderr
    shown = in_a_shell(show_line(report, storage).replace("tagline", "python -m jobs.cli", 1))
    assert "captions  1" in shown.stdout, shown.stderr
