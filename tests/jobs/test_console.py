from __future__ import annotations

import io
import re
from dataclasses import replace

from rich.console import Console

from jobs.console import LiveView, PlainView, duration, view_for
from pipeline.report import Snapshot, StageStatus

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


def test_no_color_and_dumb_terminals_are_honoured(monkeypatch):
    colour = re.compile(r"\x1b\[([\d;]*;)?[349]\d[;m]")
    shown = {}
    for setting in ("", "1"):
        monkeypatch.setenv("NO_COLOR", setting)
        target, text = console(force_terminal=True, color_system="truecolor")
        view = view_for(target, plain=False)
        view.update(STATE)
        view.close()
        shown[setting] = text.getvalue()
    assert colour.search(shown[""])
    assert not colour.search(shown["1"])
    monkeypatch.setenv("TERM", "dumb")
    assert isinstance(view_for(console(force_terminal=True)[0], plain=False), PlainView)


def test_escape_sequences_in_names_do_not_reach_the_terminal():
    target, text = console()
    view = PlainView(target)
    view.note("gone: \x1b[2J")
    assert text.getvalue() == "gone: \\x1b[2J\n"


def test_durations():
    assert [duration(s) for s in (0.4, 59, 60, 3599, 3600, 90061)] == [
        "0 s",
        "59 s",
        "1:00 min",
        "59:59 min",
        "1:00 h",
        "25:01 h",
    ]
