"""A run of which one item kills everything: engine, workers, Ray and the driver.

Run as ``python -m tests.pipeline.deadly_run JOB.json`` in a session of its own. An item with
`DEADLY` in its name is deadly.
"""

from __future__ import annotations

import os
import sys
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import psutil

from operators import engines
from operators.base import Completion, EngineSpec, Request
from operators.fake_engine import FakeEngine
from operators.models.checkpoint import read_geometry
from pipeline.report import Snapshot, StopSignal
from pipeline.run import run_job
from schemas.job import JobSpec

DEADLY = "deadly"
KIND = "deadly-fake"


class DeadlySpec(EngineSpec):
    """Its arrival at a worker makes the engine below known there."""


class DeadlyEngine(FakeEngine):
    """The shipped fake, but for the item that nobody survives.

    Args:
        driver: Process of the driver.
        options: Of `FakeEngine`.
    """

    def __init__(self, driver: int, **options: Any) -> None:
        super().__init__(**options)
        self._driver = driver

    def submit(self, request: Request) -> Future[Completion]:
        """See `FakeEngine.submit`."""
        if DEADLY in request.media_key:
            kill_all(self._driver)
        return super().submit(request)


def kill_all(driver: int) -> None:
    """End a process and everything below it at once, this one last."""
    top = psutil.Process(driver)
    others = [one for one in (top, *top.children(recursive=True)) if one.pid != os.getpid()]
    for process in others:
        process.suspend()
    for process in others:
        process.kill()
    os._exit(1)


engines.ENGINES[KIND] = DeadlyEngine


class Quiet:
    """An observer."""

    def note(self, message: str) -> None:
        """Tell it."""
        print(message, flush=True)

    def update(self, snapshot: Snapshot) -> None:
        """See `Observer.update`."""


def main() -> None:
    """Run the job; the exit code is 0 if it ended by itself."""
    job = JobSpec.model_validate_json(Path(sys.argv[1]).read_text())
    geometry = read_geometry(Path(job.model.path))
    options = {"driver": os.getpid(), "geometry": geometry, "latency_s": 0.1}
    report = run_job(job, Quiet(), StopSignal(), engine=DeadlySpec(KIND, options))
    print(report.outcome, flush=True)


if __name__ == "__main__":
    # Workers must find the classes where they can import them.
    from tests.pipeline import deadly_run

    deadly_run.main()
