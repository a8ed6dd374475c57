"""Starting contenders, each in a process of its own, one after the other."""

from __future__ import annotations

import os
import subprocess
import tempfile
from pathlib import Path

import numpy as np

from infra.demo.s3_environment import ROOT
from tests.bench.media.environments import ONE_THREAD, Interpreter
from tests.bench.media.roster import Contender
from tests.bench.media.tasks import Outcome, Task

LIMIT_S = 900

Pictures = list[np.ndarray]
"""Of one run: by case, (n, h, w, 3), RGB, 8 bits."""


def command_of(contender: Contender, interpreter: Interpreter, folder: Path) -> list[str]:
    """How a contender is started on the task in a folder, from the repository's root."""
    module = f"tests.bench.media.contenders.{contender.module}"
    return [str(interpreter.python), "-m", module, str(folder / "task.json"), str(folder)]


def variables_of(interpreter: Interpreter) -> dict[str, str]:
    """The environment variables that it is started with."""
    return os.environ | ONE_THREAD | interpreter.variables


def run_once(
    contender: Contender, interpreter: Interpreter, task: Task
) -> tuple[Outcome, Pictures]:
    """Run a contender once; one that cannot do the work says why in its outcome."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        task.save(folder / "task.json")
        try:
            ended = subprocess.run(
                command_of(contender, interpreter, folder),
                cwd=ROOT,
                env=variables_of(interpreter),
                capture_output=True,
                text=True,
                errors="replace",
                timeout=LIMIT_S,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return Outcome(unable=f"no answer within {LIMIT_S} s"), []
        if ended.returncode:
            said = " ".join(ended.stderr.split())[-300:]
            return Outcome(unable=f"its process ended with {ended.returncode}: {said}"), []
        outcome = Outcome.load(folder / "outcome.json")
        if outcome.unable:
            return outcome, []
        return outcome, [np.load(folder / f"pictures-{n}.npy") for n in range(len(task.cases))]
