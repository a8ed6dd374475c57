"""The processes below a run: which is which, and that none stays."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterable
from dataclasses import dataclass, field

import psutil

from tests.chaos.engines import CORE_TITLE

LEAVE_S = 10.0
"""Engines and workers must be gone so long after their run's driver."""

RAY_LEAVES_S = 90.0
"""Ray's own processes likewise: its agents first wait a minute for the rest of it."""

REAL_CORE_TITLE = "EngineCore"


@dataclass
class Family:
    """A driver and all that was ever below it.

    Attributes:
        driver: The process of `tagline run`.
        seen: Everything below it, also what has ended or lost its parent.
    """

    driver: psutil.Process
    seen: set[psutil.Process] = field(default_factory=set)

    def look(self) -> list[psutil.Process]:
        """The processes below the driver now, and those that are left of earlier looks."""
        try:
            below = self.driver.children(recursive=True)
        except psutil.NoSuchProcess:
            below = []
        self.seen.update(below)
        return sorted(living(self.seen), key=lambda process: process.pid)

    def decoders(self) -> list[psutil.Process]:
        """Decode workers."""
        return [one for one in self.look() if is_actor(one, "Decode")]

    def engines(self) -> list[psutil.Process]:
        """The engines' own processes, and the actors that drive them."""
        return [one for one in self.look() if is_actor(one, "Annotate") or is_core(one)]

    def ray(self) -> list[psutil.Process]:
        """Everything of a Ray that has come up; nothing before."""
        everything = self.look()
        is_up = any("raylet/raylet" in title(one) for one in everything)
        return everything if is_up else []


def title(process: psutil.Process) -> str:
    """Its command line; Ray's workers and vLLM's processes write what they do there."""
    try:
        return " ".join(process.cmdline()) or process.name()
    except psutil.Error:
        return ""


def is_actor(process: psutil.Process, stage: str) -> bool:
    """Whether it is a Ray actor of a stage."""
    named = title(process)
    return named.startswith("ray::") and stage in named


def is_core(process: psutil.Process) -> bool:
    """Whether it is an engine's own process."""
    return any(core in title(process) for core in (CORE_TITLE, REAL_CORE_TITLE))


def is_ours(process: psutil.Process) -> bool:
    """Whether it does Tagline's work, and not Ray's."""
    return is_core(process) or is_actor(process, "Annotate") or is_actor(process, "Decode")


def living(processes: Iterable[psutil.Process]) -> list[psutil.Process]:
    """Those that have not ended; a number that came again is another process."""
    return [one for one in processes if _lives(one)]


def _lives(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False


def kill_all(processes: Iterable[psutil.Process]) -> None:
    """Send SIGKILL to each, as close together as can be."""
    for process in processes:
        try:
            process.send_signal(signal.SIGKILL)
        except psutil.Error:
            continue


@dataclass
class Leavers:
    """Families whose driver has ended: all of them must be gone in time.

    Attributes:
        stayed: Titles of the processes that were not.
    """

    stayed: list[str] = field(default_factory=list)
    _until: dict[psutil.Process, float] = field(default_factory=dict)

    def watch(self, family: Family) -> None:
        """Its driver has just ended."""
        for process in family.look():
            limit = LEAVE_S if is_ours(process) else RAY_LEAVES_S
            self._until[process] = time.monotonic() + limit

    def check(self) -> None:
        """See who has had its time, and end who stayed."""
        for process in self._until.keys() - set(living(self._until)):
            del self._until[process]
        now = time.monotonic()
        stayed = [process for process, until in self._until.items() if until <= now]
        self.stayed += [title(one).strip() or f"process {one.pid}" for one in stayed]
        kill_all(stayed)

    def end(self) -> None:
        """Wait for engines and workers, and end the rest."""
        while any(is_ours(process) for process in self._until):
            self.check()
            time.sleep(0.1)
        self.kill()

    def kill(self) -> None:
        """End them all now."""
        kill_all(self._until)
        self._until.clear()
