"""Several videos at once: many processes of one thread, or fewer with frame threads."""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from infra.demo.s3_environment import ROOT
from tests.bench.media.contenders.protocol import READY
from tests.bench.media.environments import Interpreter
from tests.bench.media.roster import THREADED
from tests.bench.media.running import LIMIT_S, command_of, variables_of
from tests.bench.media.tasks import Case, Outcome, Task


@dataclass(frozen=True)
class Split:
    """How a number of videos is spread.

    Attributes:
        items: Videos in all.
        processes: That work side by side, one video after the other.
        threads: Of each process's decoder.
    """

    items: int
    processes: int
    threads: int


def splits(items: int) -> list[Split]:
    """As many threads in all as there are videos, in ever fewer processes."""
    threads = [2**power for power in range(items.bit_length())]
    return [Split(items, items // each, each) for each in threads]


def compare(
    interpreters: Mapping[str, Interpreter],
    case: Case,
    warm_up: tuple[Case, ...],
    parallel: tuple[int, ...],
    runs: int,
) -> list[dict[str, Any]]:
    """The figures of each split, medians of several runs in turn."""
    chosen = [split for items in parallel for split in splits(items)]
    found: dict[Split, list[list[Outcome]]] = {split: [] for split in chosen}
    for _ in range(runs):
        for split in chosen:
            task = Task("exact", (case,) * (split.items // split.processes), warm_up)
            found[split].append(_run(split, task, interpreters[THREADED.environment]))
    return [_figures(split, outcomes) for split, outcomes in found.items()]


def _figures(split: Split, runs: list[list[Outcome]]) -> dict[str, Any]:
    pictures = sum(outcome.pictures for outcome in runs[0])
    cpu_s = median(sum(outcome.cpu_s for outcome in run) for run in runs)
    wall_s = median(
        max(outcome.begun + outcome.wall_s for outcome in run)
        - min(outcome.begun for outcome in run)
        for run in runs
    )
    return {
        "items": split.items,
        "processes": split.processes,
        "threads": split.threads,
        "frames_per_core_s": round(pictures / cpu_s, 2),
        "frames_per_s": round(pictures / wall_s, 2),
        "cpu_s": round(cpu_s, 3),
        "wall_s": round(wall_s, 3),
    }


def _run(split: Split, task: Task, interpreter: Interpreter) -> list[Outcome]:
    """Start all processes, wait until everyone is warm, and let them begin together.

    Raises:
        RuntimeError: If one of them fails.
    """
    with tempfile.TemporaryDirectory() as name:
        folders = [Path(name) / str(number) for number in range(split.processes)]
        started = [_start(folder, split, task, interpreter) for folder in folders]
        try:
            for process in started:
                if process.stdout.readline().strip() != READY:
                    raise RuntimeError(f"a process of {split} ended before it was warm")
            for process in started:
                process.stdin.write("begin\n")
                process.stdin.flush()
            for process in started:
                process.communicate(timeout=LIMIT_S)
        finally:
            for process in started:
                process.kill()
        outcomes = [Outcome.load(folder / "outcome.json") for folder in folders]
    failed = [outcome.unable for outcome in outcomes if outcome.unable]
    if failed:
        raise RuntimeError(f"{split}: {failed[0]}")
    return outcomes


def _start(
    folder: Path, split: Split, task: Task, interpreter: Interpreter
) -> subprocess.Popen[str]:
    folder.mkdir()
    Task(task.way, task.cases, task.warm_up, split.threads).save(folder / "task.json")
    return subprocess.Popen(
        command_of(THREADED, interpreter, folder),
        cwd=ROOT,
        env=variables_of(interpreter),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
