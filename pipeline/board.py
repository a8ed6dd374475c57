"""A small Ray actor beside the graph: counters, who was at work when, parts of items.

It outlives the workers, so that it knows which items a worker held when it died, and what
other workers made of an item's other parts.
"""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from typing import Any, Literal

import ray

from operators.assembly import LocalAssembly
from pipeline.firsts import First, Firsts, Shown
from schemas.media import Part

REPORT_EVERY_S = 1.0

Turn = Literal["together", "alone", "leave"]
"""How a worker takes items up: with others, each alone, or not at all, as the run is ending."""


class Board:
    """The latest counters of every worker of every stage.

    Args:
        near: How far pictures that look alike may be apart, bits; None if that is not asked.
    """

    def __init__(self, near: int | None = None) -> None:
        self._counters: dict[str, dict[str, dict[str, float]]] = defaultdict(dict)
        self._begun: dict[str, Counter[str]] = defaultdict(Counter)
        self._begun_alone: dict[str, Counter[str]] = defaultdict(Counter)
        self._given: dict[str, Counter[str]] = defaultdict(Counter)
        self._assembly = LocalAssembly()
        self._draining = False
        self._firsts = Firsts(near)
        self._fatal: str | None = None
        self._ready_at: float | None = None

    def report(self, stage: str, worker: str, counters: dict[str, float]) -> None:
        """Replace a worker's counters; they only ever grow."""
        self._counters[stage][worker] = counters

    def begin(self, stage: str, item_ids: list[str]) -> Turn:
        """Note that a worker takes items up; says how.

        Alone, if one died on any of them before.
        """
        if self._draining:
            return "leave"
        begun = self._begun[stage]
        died = any(item_id in begun for item_id in item_ids)
        begun.update(item_ids)
        return "alone" if died else "together"

    def drain(self) -> None:
        """From now on no items are taken up."""
        self._draining = True

    def in_hand(self, stage: str) -> int:
        """How many items a stage's workers have taken up and not brought to their end."""
        return len(self._begun[stage])

    def begin_alone(self, stage: str, item_id: str) -> int:
        """Note that a worker takes up one item and no other; answers how many died so."""
        died = self._begun_alone[stage][item_id]
        self._begun_alone[stage][item_id] += 1
        return died

    def gave(self, stage: str, item_id: str, windows: int) -> None:
        """Note how many windows of an item taken up alone are there."""
        self._given[stage][item_id] = windows

    def given(self, stage: str, item_id: str) -> int:
        """How many windows of an item were there."""
        return self._given[stage][item_id]

    def end(self, stage: str, item_ids: list[str]) -> None:
        """Note that items are through."""
        for counter in (self._begun[stage], self._begun_alone[stage], self._given[stage]):
            for item_id in item_ids:
                counter.pop(item_id, None)

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


def start_board(near: int | None = None, **options: Any) -> Any:
    """Start the board; its handle can be shipped to workers.

    If its process dies, another takes its place and knows nothing; who asks meanwhile waits.

    Args:
        near: See `Board`.
        options: More options of the actor, such as a name.
    """
    lasting = {"num_cpus": 0, "max_restarts": -1, "max_task_retries": -1}
    return ray.remote(Board).options(**lasting, **options).remote(near)


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
