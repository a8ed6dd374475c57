"""A small Ray actor on which the stages report what they have done."""

from __future__ import annotations

import time
from collections import defaultdict
from typing import Any

import ray

REPORT_EVERY_S = 1.0


class Board:
    """The latest counters of every worker of every stage."""

    def __init__(self) -> None:
        self._counters: dict[str, dict[str, dict[str, float]]] = defaultdict(dict)
        self._fatal: str | None = None
        self._engine_deaths: list[str] = []

    def report(self, stage: str, worker: str, counters: dict[str, float]) -> None:
        """Replace a worker's counters; they only ever grow."""
        self._counters[stage][worker] = counters

    def fail(self, message: str) -> None:
        """Say why the job cannot go on; the first message stays."""
        self._fatal = self._fatal or message

    def engine_died(self, message: str) -> None:
        """Record the death of an engine."""
        self._engine_deaths.append(message)

    def verdict(self) -> tuple[str | None, list[str]]:
        """Why the job cannot go on, if so, and what killed engines so far."""
        return self._fatal, self._engine_deaths

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


def start_board() -> Any:
    """Start the board; its handle can be shipped to workers."""
    return ray.remote(Board).options(num_cpus=0, max_restarts=-1).remote()


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
