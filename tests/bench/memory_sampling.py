"""How much memory Ray's processes hold while a job runs."""

from __future__ import annotations

import contextlib
import threading
from collections import defaultdict
from pathlib import Path
from typing import Self

import psutil

MIB = 1024**2
SAMPLE_EVERY_S = 0.5

DRIVER, DECODE, ANNOTATE, BOARD, RAY, OTHER = (
    "driver",
    "decode",
    "annotate",
    "board",
    "ray_system",
    "other",
)


def role_of(title: str) -> str:
    """What a process below the driver does, from the title that Ray gives it.

    Args:
        title: Its command line, joined by spaces.
    """
    named = (("Decode", DECODE), ("Annotate", ANNOTATE), ("Board", BOARD))
    if title.startswith("ray::"):
        return next((role for part, role in named if part in title), OTHER)
    return RAY


def object_store_bytes(raylet_pid: int) -> int:
    """Memory behind the files in which a raylet keeps objects.

    They are sparse, and what was once written stays, so this is the peak so far.
    """
    held = 0
    for descriptor in Path(f"/proc/{raylet_pid}/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):
            if "plasma" in str(descriptor.readlink()):
                held += descriptor.stat().st_blocks * 512
    return held


class MemorySampler:
    """Samples this process and all below it until it is left.

    What is counted of a process is its resident memory less its shared pages: the object
    store is mapped by every worker, and would be counted once for each of them. The store's
    own peak is read from its files.

    Attributes:
        peak_mib: By role, the most that one process of that role held.
        peak_object_store_mib: The most shared memory of Ray's object store in use.
        samples: Times that all processes were looked at.
    """

    def __init__(self) -> None:
        self.peak_mib: dict[str, float] = defaultdict(float)
        self.peak_object_store_mib = 0.0
        self.samples = 0
        self._driver = psutil.Process()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._work, name="memory", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._over.set()
        self._thread.join()

    def _work(self) -> None:
        while not self._over.wait(SAMPLE_EVERY_S):
            self._sample(self._driver, DRIVER)
            for process in self._driver.children(recursive=True):
                self._sample(process, None)
            self.samples += 1

    def _sample(self, process: psutil.Process, role: str | None) -> None:
        try:
            title = " ".join(process.cmdline())
            memory = process.memory_info()
        except (psutil.NoSuchProcess, psutil.ZombieProcess):
            return
        role = role or role_of(title)
        private = (memory.rss - memory.shared) / MIB
        self.peak_mib[role] = max(self.peak_mib[role], private)
        if "raylet/raylet" in title:
            held = object_store_bytes(process.pid) / MIB
            self.peak_object_store_mib = max(self.peak_object_store_mib, held)
