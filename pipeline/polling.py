"""Wait for a slow iterator without being stuck in it."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Generator, Iterator
from typing import Any, Generic, TypeVar

T = TypeVar("T")

POLL_S = 0.25
BUFFERED = 64
CLOSE_TIMEOUT_S = 20.0


class Polled(Generic[T]):
    """Iterates in a thread of its own; gives None whenever nothing came for a while.

    Without it a stop signal, a due commit or the progress view would wait for the next
    element, which may be minutes away.

    Args:
        elements: The slow generator; closed by that thread on leaving.
        interrupt: Called on leaving, to end a wait for the next element.
    """

    def __init__(
        self, elements: Generator[T, None, None], interrupt: Callable[[], None] = lambda: None
    ) -> None:
        self._elements, self._interrupt = elements, interrupt
        self._received: queue.Queue[T | _End] = queue.Queue(maxsize=BUFFERED)
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._pull, name="graph", daemon=True)

    def __enter__(self) -> Iterator[T | None]:
        self._thread.start()
        return self._give()

    def __exit__(self, *_: Any) -> None:
        """Ask the thread to end; an element that is long in coming is not waited for."""
        self._closing.set()
        self._interrupt()
        self._thread.join(CLOSE_TIMEOUT_S)

    def _give(self) -> Iterator[T | None]:
        while True:
            try:
                got = self._received.get(timeout=POLL_S)
            except queue.Empty:
                yield None
                continue
            if isinstance(got, _End):
                if got.error is not None:
                    raise got.error
                return
            yield got

    def _pull(self) -> None:
        error = None
        try:
            for element in self._elements:
                self._put(element)
                if self._closing.is_set():
                    self._elements.close()
                    break
        except BaseException as raised:  # noqa: BLE001 - raised again by _give
            error = raised
        self._put(_End(error))

    def _put(self, element: T | _End) -> None:
        while not self._closing.is_set():
            try:
                self._received.put(element, timeout=POLL_S)
                return
            except queue.Full:
                continue


class _End:
    def __init__(self, error: BaseException | None) -> None:
        self.error = error
