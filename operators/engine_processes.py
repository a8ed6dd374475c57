"""The processes that an engine starts, and their certain end."""

from __future__ import annotations

from collections.abc import Iterable

import psutil

KILL_GRACE_S = 10.0


def descendants() -> list[psutil.Process]:
    """All processes below this one."""
    return psutil.Process().children(recursive=True)


def kill(processes: Iterable[psutil.Process]) -> None:
    """Make sure that these processes and all below them are gone; those that are stay so."""
    doomed = set(processes)
    for process in list(doomed):
        try:
            doomed.update(process.children(recursive=True))
        except psutil.NoSuchProcess:
            continue
    for process in doomed:
        try:
            process.kill()
        except psutil.NoSuchProcess:
            continue
    psutil.wait_procs(doomed, timeout=KILL_GRACE_S)
