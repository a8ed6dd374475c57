"""Find the one item that kills the worker it is given to, and let all others through.

A worker notes on the board which items it takes up. When Ray gives a dead worker's batch
to the next one, the board knows; that batch is then taken item by item, each alone in its
process, and an item on which workers died as often as it may fails as `poison`.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import ray

from pipeline.journal import Turn

Element = TypeVar("Element")

CLAIM_EVERY_S = 0.05


class Blame:
    """A worker's side of the journal.

    Args:
        board: Handle of the board.
        stage: The stage's name.
        attempts: Workers that one item may cost. The first of them died of a batch, for which
            each of its items is tried alone once at least.
        sole: Whether nothing else of the run may go on while an item is tried, see
            `pipeline.traces`.
    """

    def __init__(self, board: Any, stage: str, attempts: int, *, sole: bool = False) -> None:
        self._board = board
        self._stage = stage
        self._sole = sole
        self.deaths_alone = max(1, attempts - 1)

    def begin(self, names: list[str]) -> Turn:
        """Take items up; says how, see `Turn`."""
        return ray.get(self._board.begin.remote(self._stage, names, self._sole))

    def guilty(self, name: str) -> bool:
        """Take one item up alone; True if it has cost as many workers as it may."""
        died = ray.get(self._board.begin_alone.remote(self._stage, name))
        return died >= self.deaths_alone

    def gave(self, name: str, windows: int) -> None:
        """So many windows of an item taken up alone are there by now."""
        ray.get(self._board.gave.remote(self._stage, name, windows))

    def windows(self, name: str) -> int:
        """How many windows of an item there were when the last worker died of it alone."""
        return ray.get(self._board.given.remote(self._stage, name))

    def end(self, names: list[str]) -> None:
        """Items are through."""
        self._board.end.remote(self._stage, names)

    @contextmanager
    def solely(self, name: str) -> Iterator[None]:
        """Wait until nothing else of the run goes on, if that is wanted, and keep it so."""
        if not self._sole:
            yield
            return
        while not ray.get(self._board.claim.remote(self._stage, name)):
            time.sleep(CLAIM_EVERY_S)
        try:
            yield
        finally:
            ray.get(self._board.release.remote())

    def each_solely(self, name: str, elements: Iterator[Element]) -> Iterator[Element]:
        """Make each element as `solely` says; what takes them may go on in between."""
        while True:
            with self.solely(name):
                try:
                    element = next(elements)
                except StopIteration:
                    return
            yield element


class Gate:
    """Lets many through together, or one alone. Who wants to be alone goes first."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._together = 0
        self._alone = False
        self._waiting_alone = 0

    @contextmanager
    def together(self) -> Iterator[None]:
        """Pass with all others that do."""
        with self._changed:
            self._changed.wait_for(lambda: not self._alone and not self._waiting_alone)
            self._together += 1
        try:
            yield
        finally:
            with self._changed:
                self._together -= 1
                self._changed.notify_all()

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Pass with nobody else inside."""
        with self._changed:
            self._waiting_alone += 1
            self._changed.wait_for(lambda: not self._alone and not self._together)
            self._waiting_alone -= 1
            self._alone = True
        try:
            yield
        finally:
            with self._changed:
                self._alone = False
                self._changed.notify_all()
