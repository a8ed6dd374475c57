from __future__ import annotations

import pytest
from typer.testing import CliRunner

from jobs.cli import app
from pipeline.commit import ResultSink, RowOrigin
from schemas.job import OutputSpec, StorageSpec
from tests.pipeline.rows import annotated, bound, table


@pytest.fixture
def output(tmp_path) -> str:
    root = str(tmp_path / "out")
    sink = ResultSink(
        OutputSpec(uri=root), StorageSpec(), [bound("caption")], RowOrigin("run-1", "m", None)
    )
    sink.open()
    for name in ("a", "b", "c"):
        sink.add(table(annotated(name)))
        sink.flush()
    return root


def said(*arguments: str) -> list[str]:
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code == 0, done.output
    return done.stdout.splitlines()


def test_compact_then_vacuum_say_what_they_did(output: str) -> None:
    assert said("compact", output) == [
        "captions: 3 files, 1 now",
        "failures: 0 files, as it was",
        "The old files stay until a vacuum.",
    ]
    assert said("vacuum", output) == ["Nothing to remove that is older than 24 h"]
    [line] = said("vacuum", output, "--keep-hours", "0", "--dry-run")
    assert line.startswith("captions: would remove 3 files, ")
    [line] = said("vacuum", output, "--keep-hours", "0")
    assert line.startswith("captions: removed 3 files, ")
    assert said("vacuum", output, "--keep-hours", "0") == [
        "Nothing to remove that is older than 0 h"
    ]


@pytest.mark.parametrize("command", ["vacuum", "compact"])
def test_where_there_is_no_output_it_is_said(tmp_path, command: str) -> None:
    done = CliRunner().invoke(app, [command, str(tmp_path)])
    assert done.exit_code == 2
    assert "there are no tables at" in done.stderr
