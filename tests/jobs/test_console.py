from __future__ import annotations

import io
import os
import subprocess
import sys
from dataclasses import replace

from rich.console import Console

from jobs.console import LiveView, PlainView, duration, view_for
from jobs.summary import python_line, summary_lines
from pipeline.report import RunReport, Snapshot, StageStatus
from schemas.job import StorageSpec

STATE = Snapshot(
    phase="annotating",
    items_done=1200,
    items_total=5000,
    items_failed=3,
    items_per_s=41.26,
    eta_s=92.0,
    stages=(
        StageStatus("decode", 1300, 5000, "4 workers, 312 MB fetched"),
        StageStatus("commit", 2400, None, "rows"),
    ),
    elapsed_s=65.0,
)
REPORT = RunReport(
    run_id="r1",
    outcome="done",
    items_listed=60,
    items_skipped_names=1,
    items_current=10,
    items_planned=50,
    items_done=48,
    items_failed=2,
    rows_by_table={"captions": 48},
    failures_by_code={"not_media": 2},
    engine_start_s=31.0,
    annotate_s=5.0,
    items_per_s=10.0,
    output="s3://b/out",
    tables={"captions": "s3://b/out/captions", "failures": "s3://b/out/failures"},
    log_path="/tmp/x.log",
)


def console(**options) -> tuple[Console, io.StringIO]:
    text = io.StringIO()
    return Console(file=text, width=100, **options), text


def test_plain_lines_come_at_a_new_phase_and_every_few_seconds():
    now = [0.0]
    target, text = console()
    view = PlainView(target, every_s=5, clock=lambda: now[0])
    view.update(replace(STATE, phase="starting", items_per_s=0, eta_s=None))
    view.update(STATE)
    now[0] = 4.0
    view.update(STATE)
    now[0] = 6.0
    view.update(STATE)
    lines = text.getvalue().splitlines()
    assert len(lines) == 3
    assert lines[1].endswith(
        "Annotating, 1,200 of 5,000 items, 41.3 items/s, 1:32 min left, 3 failed"
    )
    assert "decode 1,300/5,000 (4 workers, 312 MB fetched); commit 2,400 (rows)" in lines[2]


def test_a_terminal_gets_a_live_view_and_a_pipe_plain_lines():
    target, text = console(force_terminal=True)
    view = view_for(target, plain=False)
    assert isinstance(view, LiveView)
    view.update(STATE)
    view.note("[bold]not markup[/bold]")
    view.close()
    assert "1,200 of 5,000 items" in text.getvalue()
    assert "[bold]not markup[/bold]" in text.getvalue()
    assert isinstance(view_for(console()[0], plain=False), PlainView)
    assert isinstance(view_for(target, plain=True), PlainView)


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


def test_the_python_line_works_in_a_shell(tmp_path):
    import pyarrow as pa
    from deltalake import write_deltalake

    uri = str(tmp_path / "it's here")
    write_deltalake(uri, pa.table({"caption": ["a red mug"]}))
    line = python_line(replace(REPORT, tables={"captions": uri}), StorageSpec())
    path = os.path.dirname(sys.executable) + os.pathsep + os.environ["PATH"]
    done = subprocess.run(
        ["bash", "-c", line], env=os.environ | {"PATH": path}, capture_output=True, text=True
    )
    assert "a red mug" in done.stdout, done.stderr


def test_durations():
    assert [duration(s) for s in (0.4, 59, 60, 3599, 3600, 90061)] == [
        "0 s",
        "59 s",
        "1:00 min",
        "59:59 min",
        "1:00 h",
        "25:01 h",
    ]
