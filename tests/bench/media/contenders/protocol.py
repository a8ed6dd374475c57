"""How a contender is run: ``TASK.json FOLDER``; it leaves its outcome and pictures there.

The pictures are judged by who asked for them, so that none judges itself.
"""

from __future__ import annotations

import resource
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np

from tests.bench.media.tasks import Case, Outcome, Task

Way = Callable[[Case], np.ndarray]
"""From a case to its pictures: (n, h, w, 3), RGB, 8 bits."""

READY = "ready"


class Unable(Exception):
    """The contender has no way to do this work; says why."""


def run_contender(ways: Mapping[str, Way], wait: bool = False) -> None:
    """The main program of a contender.

    Args:
        ways: What it can do, by name.
        wait: Say when it is warm, and begin when told to.
    """
    task, folder = Task.load(Path(sys.argv[1])), Path(sys.argv[2])
    way = ways[task.way]
    try:
        _measured(way, task.warm_up)
        if wait:
            print(READY, flush=True)
            sys.stdin.readline()
        outcome, pictures = _measured(way, task.cases)
    except Exception as error:  # Whatever a library raises is the reason it cannot.
        said = " ".join(str(error).split())[-300:]
        Outcome(unable=f"{type(error).__name__}: {said}").save(folder / "outcome.json")
        return
    for number, of_case in enumerate(pictures):
        np.save(folder / f"pictures-{number}.npy", of_case)
    outcome.save(folder / "outcome.json")


def _measured(way: Way, cases: Sequence[Case]) -> tuple[Outcome, list[np.ndarray]]:
    cpu_s, begun = _cpu_seconds(), time.monotonic()
    pictures = [way(case) for case in cases]
    wall_s, cpu_s = time.monotonic() - begun, _cpu_seconds() - cpu_s
    return Outcome(cpu_s, wall_s, begun, sum(map(len, pictures))), pictures


def _cpu_seconds() -> float:
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)
