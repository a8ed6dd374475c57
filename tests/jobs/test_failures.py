from __future__ import annotations

import pytest
from typer.testing import CliRunner

from jobs.cli import app
from jobs.failures import failures_meant
from pipeline.commit import ResultSink, RowOrigin
from schemas.failure import FailureCode, UsageError
from schemas.job import OutputSpec, StorageSpec
from tests.pipeline.rows import annotated, bound, failed, table


def output_with(root: str, *rows) -> str:
    sink = ResultSink(
        OutputSpec(uri=root), StorageSpec(), [bound("caption")], RowOrigin("run-1", "m", None)
    )
    sink.open()
    sink.add(table(*rows))
    sink.flush()
    return root


def said(*arguments: str) -> list[str]:
    done = CliRunner().invoke(app, ["failures", *arguments])
    assert done.exit_code == 0, done.output
    return done.stdout.splitlines()


def test_failures_are_told_by_code_with_examples_and_what_to_do(tmp_path) -> None:
    rows = [failed(f"{n}.jpg", FailureCode.NOT_MEDIA) for n in range(5)]
    rows.append(failed("late\x1b[31m.jpg", FailureCode.STORAGE_UNAVAILABLE))
    output = output_with(str(tmp_path / "out"), *rows, annotated("good"))
    lines = said(output, "--examples", "2")
    assert lines == [
        "not_media  5 rows  at fetch, final",
        "    0.jpg  caption: not_media happened",
        "    1.jpg  caption: not_media happened",
        "    and 3 more",
        "    try them all: tagline run JOB.yaml --retry failed:not_media",
        "storage_unavailable  1 row  at fetch, the next run tries again, a few times",
        lines[6],
        "    try them all: tagline run JOB.yaml --retry failed:storage_unavailable",
    ]
    assert "\x1b" not in lines[6]


def test_no_failures_and_no_output(tmp_path) -> None:
    assert said(output_with(str(tmp_path / "out"), annotated("a"))) == ["No failures"]
    done = CliRunner().invoke(app, ["failures", str(tmp_path / "nothing")])
    assert done.exit_code == 2
    assert "there is no table failures" in done.stderr


def test_which_failures_are_meant() -> None:
    assert failures_meant("failed") == frozenset()
    assert failures_meant("failed:blind, poison") == {
        FailureCode.BLIND,
        FailureCode.POISON,
    }


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("all", "write failed"),
        ("failed:", "write failed"),
        ("failed:decode_timout", "did you mean decode_timeout?"),
        ("failed:zzz", "codes are: missing_object"),
    ],
)
def test_what_cannot_be_meant_is_said(text: str, says: str) -> None:
    with pytest.raises(UsageError, match="--retry") as caught:
        failures_meant(text)
    assert says in str(caught.value)
