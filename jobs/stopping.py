"""Signals that stop a run."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from pipeline.report import StopSignal

_STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM)


@contextmanager
def stopping(
    stop: StopSignal, tell: Callable[[str], None], leave: Callable[[], None], grace_s: float
) -> Iterator[None]:
    """Let the first SIGINT or SIGTERM ask for a stop, and a SIGINT after it end all at once.

    Args:
        stop: Gets the request.
        tell: Told what happens now.
        leave: Ends the process.
        grace_s: So long the model may finish what it is at, seconds.
    """
    tellers: list[threading.Thread] = []

    def handle(signum: int, _frame: object) -> None:
        if stop.requested:
            if signum == signal.SIGINT:
                leave()
            return
        stop.request(signum)
        # The handler may have interrupted a write to the terminal, which cannot be entered
        # twice; a thread waits for its end.
        message = (
            f"Stopping: the model may finish what it is at, for up to {grace_s:g} s; then what "
            "is done is committed. Ctrl-C (again) to leave at once."
        )
        teller = threading.Thread(target=tell, args=(message,), name="tagline-stopping")
        tellers.append(teller)
        teller.start()

    before = {number: signal.signal(number, handle) for number in _STOP_SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        for teller in tellers:
            teller.join()
