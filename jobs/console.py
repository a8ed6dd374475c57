"""Show a run: live in a terminal, in plain lines elsewhere."""

from __future__ import annotations

import time
from collections.abc import Callable

from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from jobs.terminal import printable
from pipeline.report import Observer, Snapshot, StageStatus

PLAIN_EVERY_S = 5.0

_PHASES = {
    "listing": "Listing the input",
    "planning": "Planning",
    "starting": "Starting Ray and the engine",
    "annotating": "Annotating",
    "committing": "Committing",
    "done": "Done",
}


def duration(seconds: float) -> str:
    """Seconds as people read them: ``42 s``, ``3:07 min``, ``2:15 h``."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60}:{whole % 60:02} min"
    return f"{whole // 3600}:{whole % 3600 // 60:02} h"


def counted(number: int, noun: str) -> str:
    """A number with its noun: ``1 item``, ``2,000 items``."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def headline(snapshot: Snapshot) -> str:
    """How a run stands, on one line."""
    parts = [_PHASES[snapshot.phase]]
    if snapshot.items_total is not None:
        parts.append(f"{snapshot.items_done:,} of {counted(snapshot.items_total, 'item')}")
    if snapshot.items_per_s:
        parts.append(f"{snapshot.items_per_s:.1f} items/s")
    if snapshot.eta_s is not None and snapshot.phase == "annotating":
        parts.append(f"{duration(snapshot.eta_s)} left")
    if snapshot.items_failed:
        parts.append(f"{snapshot.items_failed:,} failed")
    return ", ".join(parts)


def _amount(stage: StageStatus) -> str:
    return f"{stage.done:,}" if stage.total is None else f"{stage.done:,}/{stage.total:,}"


class PlainView(Observer):
    """Prints a line when the phase changes and every few seconds in between.

    Args:
        console: Where to.
        every_s: Seconds between two lines of the same phase.
        clock: Monotonic seconds.
    """

    def __init__(
        self,
        console: Console,
        every_s: float = PLAIN_EVERY_S,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._console = console
        self._every_s = every_s
        self._clock = clock
        self._phase = ""
        self._printed = 0.0

    def note(self, message: str) -> None:
        """Print a message."""
        self._print(message)

    def update(self, snapshot: Snapshot) -> None:
        """Print the state, if it is time."""
        due = self._clock() - self._printed >= self._every_s
        if snapshot.phase == self._phase and not due:
            return
        line = headline(snapshot)
        if snapshot.phase == self._phase:
            for stage in snapshot.stages:
                line += f"; {stage.name} {_amount(stage)} ({stage.busy})"
        self._phase, self._printed = snapshot.phase, self._clock()
        self._print(f"[{duration(snapshot.elapsed_s)}] {line}")

    def _print(self, line: str) -> None:
        self._console.print(Text(printable(line)), soft_wrap=True)

    def close(self) -> None:
        """Nothing is left to clear away."""


class LiveView(Observer):
    """Redraws the state in place.

    Args:
        console: A terminal.
    """

    def __init__(self, console: Console) -> None:
        starting = Text(_PHASES["starting"])
        self._live = Live(starting, console=console, refresh_per_second=4, transient=True)
        self._live.start()

    def note(self, message: str) -> None:
        """Print a message above the view."""
        self._live.console.print(Text(printable(message)), soft_wrap=True)

    def update(self, snapshot: Snapshot) -> None:
        """Redraw."""
        self._live.update(_view(snapshot))

    def close(self) -> None:
        """Clear the view away."""
        self._live.stop()


def _view(snapshot: Snapshot) -> Group:
    stages = Table.grid(padding=(0, 2))
    for stage in snapshot.stages:
        busy = Text(stage.busy, style="dim")
        stages.add_row(Text(f"  {stage.name}"), Text(_amount(stage)), busy)
    bar = ProgressBar(total=snapshot.items_total, completed=snapshot.items_done, width=48)
    return Group(Text(headline(snapshot), style="bold"), bar, stages)


def view_for(console: Console, *, plain: bool) -> PlainView | LiveView:
    """The view that suits where the output goes."""
    if plain or not console.is_terminal or console.is_dumb_terminal:
        return PlainView(console)
    return LiveView(console)
