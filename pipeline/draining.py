"""After a stop was asked: let what the engines hold be finished, but not for ever."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import ray

from pipeline.stages import ANNOTATE

SETTLED_S = 1.5
"""So long after the engines' last answer its rows have arrived."""

BOARD_TIMEOUT_S = 5.0


class Draining:
    """Tells the workers to take up nothing new, and when they are through.

    Args:
        board: Handle of the board.
        grace_s: Seconds after which what is still in flight is abandoned.
        clock: Monotonic seconds.
    """

    def __init__(
        self, board: Any, grace_s: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._board, self._clock = board, clock
        board.drain.remote()
        self._quiet_since = clock()
        self._deadline = clock() + grace_s

    def over(self, *, came: bool) -> bool:
        """Whether nothing more is worth waiting for.

        Args:
            came: Whether rows have come since it was asked last.
        """
        now = self._clock()
        if now >= self._deadline:
            return True
        if came or self._busy():
            self._quiet_since = now
        return now - self._quiet_since >= SETTLED_S

    def _busy(self) -> bool:
        try:
            return bool(ray.get(self._board.in_hand.remote(ANNOTATE), timeout=BOARD_TIMEOUT_S))
        except ray.exceptions.RayError:
            # Without its board a run cannot know; what came is kept.
            return False
