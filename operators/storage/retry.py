"""Trying again: exponential backoff with full jitter, within a time limit."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

Result = TypeVar("Result")

FIRST_PAUSE_S = 0.1
LONGEST_PAUSE_S = 10.0


def pause_s(attempt: int, draw: float) -> float:
    """Seconds to wait after failed attempt number `attempt` (from 1).

    Full jitter: uniform between 0 and a ceiling that doubles up to `LONGEST_PAUSE_S`, so
    that a thousand clients that failed together do not come back together.

    Args:
        attempt: How many attempts have failed.
        draw: A random number in [0, 1).
    """
    return min(LONGEST_PAUSE_S, FIRST_PAUSE_S * 2 ** min(attempt - 1, 30)) * draw


@dataclass(frozen=True)
class Retry:
    """How long and when to try again.

    Attributes:
        timeout_s: No attempt starts later than this after the first.
        is_transient: Whether another attempt can help against this exception.
        clock: Seconds, monotonic.
        sleep: Waits for seconds.
        draw: Random numbers in [0, 1).
        asked_s: Seconds that the other side asked to be left alone after an exception.
    """

    timeout_s: float
    is_transient: Callable[[Exception], bool]
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep
    draw: Callable[[], float] = field(default=random.random)
    asked_s: Callable[[Exception], float] = lambda _: 0.0

    def __call__(self, attempt: Callable[[int], Result]) -> Result:
        """Call `attempt` with 1, 2, ... until it returns; raises its last exception."""
        started = self.clock()
        number = 0
        while True:
            number += 1
            try:
                return attempt(number)
            except Exception as error:
                if not self.is_transient(error):
                    raise
                pause = max(pause_s(number, self.draw()), self.asked_s(error))
                if self.clock() + pause - started > self.timeout_s:
                    raise
            self.sleep(pause)
