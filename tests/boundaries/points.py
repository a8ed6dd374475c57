"""A store's writes by name, and a hand that stops a process at one of them."""

from __future__ import annotations

import os
import re
import signal
import threading
from collections import Counter
from typing import Literal

from tests.storm.faults import Fault, Request, Schedule

WRITES = frozenset({"PUT", "POST", "DELETE"})
_VARIES = re.compile(r"night-\d-[0-9a-f]{8}|[0-9a-f]{32}|\d{5,}")

Side = Literal["before", "after"]


class Points(Schedule):
    """Names every write, and ends a process at one of them.

    Args:
        root: Path of the output on the server, ``/bucket/prefix/``.
    """

    def __init__(self, root: str) -> None:
        super().__init__(0, {})
        self._root = root
        self._seen: Counter[str] = Counter()
        self._target: tuple[str, Side] | None = None
        self._process: int | None = None
        self.names: list[str] = []
        self.path = ""
        self.fired = threading.Event()

    def watch(self, process: int, target: tuple[str, Side] | None) -> None:
        """Name what this process writes from now on, and end it at the target."""
        self._seen.clear()
        self.names = []
        self._process, self._target = process, target
        self.fired.clear()

    def draw(self, request: Request) -> Fault | None:
        """Ends the process if this is the write where it is to end.

        Before the write it is killed at once. After it, it is stopped, so that it can do
        nothing with the reply, which never comes; the test kills it when the write is done.
        """
        if request.method not in WRITES:
            return None
        stem = _VARIES.sub("*", request.path.removeprefix(self._root))
        write = f"{request.method} {stem}"
        self._seen[write] += 1
        name = f"{write} #{self._seen[write]}"
        self.names.append(name)
        if self._target is None or name != self._target[0] or self.fired.is_set():
            return None
        assert self._process is not None
        self.path = request.path
        if self._target[1] == "before":
            os.kill(self._process, signal.SIGKILL)
            self.fired.set()
            raise ConnectionResetError("the process is gone, and its write with it")
        os.kill(self._process, signal.SIGSTOP)
        self.fired.set()
        return Fault.LOST_REPLY
