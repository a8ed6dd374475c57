"""A small Ray actor beside the graph: counters, who was at work when, parts of items.

It outlives the workers, so that it knows which items a worker held when it died, and what
other workers made of an item's other parts.
"""

from __future__ import annotations

import time
from collections import defaultdict
from typing import Any

import ray

from operators.assembly import LocalAssembly
from pipeline.firsts import First, Firsts, Shown
from pipeline.journal import Journal, Turn, whole_of
from pipeline.traces import Pen
from schemas.media import Part

REPORT_EVERY_S = 1.0


class Board:
    """The latest counters of every worker of every stage.

    Args:
        near: How far pictures that look alike may be apart, bits; None if that is not asked.
        pen: Writes down what is in hand, for a run after this one.
    """

    def __init__(self, near: int | None = None, pen: Pen | None = None) -> None:
        self._counters: dict[str, dict[str, dict[str, float]]] = defaultdict(dict)
        self._pen = pen or Pen()
        self._journal = Journal(self._pen.deaths)
        self._sole: str | None = None
        self._assembly = LocalAssembly()
        self._firsts = Firsts(near)
        self._fatal: str | None = None
        self._ready_at: float | None = None

    def report(self, stage: str, worker: str, counters: dict[str, float]) -> None:
        """Replace a worker's counters; they only ever grow."""
        self._counters[stage][worker] = counters

    def begin(self, stage: str, names: list[str], sole: bool = False) -> Turn:
        """Note that a worker takes items up; says how, see `Journal.begin`.

        What is in hand is written down before this answers; unless it is all to be tried
        alone, where `claim` writes.
        """
        turn = self._journal.begin(stage, names)
        if turn == "leave":
            return turn
        if sole:
            return "alone"
        if self._pen.writes:
            self._pen.note(self._journal.items_in_hand())
        return turn

    def claim(self, stage: str, name: str) -> bool:
        """Let one stage work on one item while nothing else goes on; False while that is so.

        A stage has one worker then, which asks for one item at a time: if it asks for another
        one, its predecessor has died of the last.
        """
        if self._sole not in (None, stage):
            return False
        self._sole = stage
        self._pen.note(alone=(stage, whole_of(name)))
        return True

    def release(self) -> None:
        """The item that was claimed is done with."""
        self._sole = None
        self._pen.note()

    def drain(self) -> None:
        """From now on no items are taken up."""
        self._journal.drain()

    def in_hand(self, stage: str) -> int:
        """See `Journal.in_hand`."""
        return self._journal.in_hand(stage)

    def begin_alone(self, stage: str, name: str) -> int:
        """See `Journal.begin_alone`."""
        return self._journal.begin_alone(stage, name)

    def gave(self, stage: str, name: str, windows: int) -> None:
        """See `Journal.gave`."""
        self._journal.gave(stage, name, windows)

    def given(self, stage: str, name: str) -> int:
        """See `Journal.given`."""
        return self._journal.given(stage, name)

    def end(self, stage: str, names: list[str]) -> None:
        """See `Journal.end`."""
        self._journal.end(stage, names)

    def firsts_of(self, shown: list[Shown]) -> list[First]:
        """For each item the first that was here with what it shows, perhaps itself."""
        return [self._firsts.of(one) for one in shown]

    def post(self, item_id: str, part: Part, outcome: str) -> list[str] | None:
        """See `operators.assembly.Assembly.post`."""
        return self._assembly.post(item_id, part, outcome)

    def forget(self, item_ids: list[str]) -> None:
        """Let go of items whose rows have arrived."""
        for item_id in item_ids:
            self._assembly.forget(item_id)

    def engine_ready(self) -> None:
        """Note that an engine has loaded its model; the first one counts."""
        self._ready_at = self._ready_at or time.monotonic()

    def since_ready(self) -> float | None:
        """Seconds since the first engine was ready; None if none is."""
        return None if self._ready_at is None else time.monotonic() - self._ready_at

    def fail(self, message: str) -> None:
        """Say why the job cannot go on; the first message stays."""
        self._fatal = self._fatal or message

    def fatal(self) -> str | None:
        """Why the job cannot go on, if it cannot."""
        return self._fatal

    def totals(self) -> dict[str, dict[str, float]]:
        """Sum the counters of each stage, and count its workers."""
        totals: dict[str, dict[str, float]] = {}
        for stage, workers in self._counters.items():
            summed: dict[str, float] = defaultdict(float, workers=len(workers))
            for counters in workers.values():
                for name, value in counters.items():
                    summed[name] += value
            totals[stage] = dict(summed)
        return totals


def start_board(near: int | None = None, pen: Pen | None = None, **options: Any) -> Any:
    """Start the board; its handle can be shipped to workers.

    If its process dies, another takes its place and knows nothing; who asks meanwhile waits.

    Args:
        near: See `Board`.
        pen: Likewise.
        options: More options of the actor, such as a name.
    """
    lasting = {"num_cpus": 0, "max_restarts": -1, "max_task_retries": -1}
    return ray.remote(Board).options(**lasting, **options).remote(near, pen)


class BoardAssembly:
    """The `Assembly` of all workers of a run.

    Args:
        board: Handle of the board.
    """

    def __init__(self, board: Any) -> None:
        self._board = board

    def post(self, item_id: str, part: Part, outcome: str) -> list[str] | None:
        """See `operators.assembly.Assembly.post`."""
        return ray.get(self._board.post.remote(item_id, part, outcome))


class Reporter:
    """A worker's pen for the board; never waits for it.

    Args:
        board: Handle of the board.
        stage: The stage's name.
    """

    def __init__(self, board: Any, stage: str) -> None:
        self._board = board
        self._stage = stage
        self._worker = ray.get_runtime_context().get_worker_id()
        self._last = 0.0

    def report(self, counters: dict[str, float], *, now: bool = False) -> None:
        """Send the counters, at most once a second unless it is asked for ``now``."""
        if not now and time.monotonic() - self._last < REPORT_EVERY_S:
            return
        self._last = time.monotonic()
        self._board.report.remote(self._stage, self._worker, dict(counters))
