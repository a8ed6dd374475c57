"""``tagline run`` with another engine, and a journal of what it was told is committed.

Run as ``python -m tests.chaos.runner run JOB.yaml``, by `tests.chaos.runs`, which puts a
`RunnerSettings` into the environment. All but the engine is as users have it.
"""

from __future__ import annotations

import functools
import json
import os
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from infra.demo.s3_launch import die_with
from jobs import cli
from operators.base import EngineSpec
from operators.models.checkpoint import read_geometry
from pipeline import annotation
from pipeline.output_table import OutputTable
from schemas.job import JobSpec
from tests.chaos.engines import FAKE, REAL, ChaosSpec
from tests.chaos.journal import Journal

VARIABLE = "TAGLINE_CHAOS_RUNNER"
CONCURRENCY = 8
LATENCY_S = 0.4
KEY = ("item_id", "task")


@dataclass(frozen=True)
class RunnerSettings:
    """What a runner is told.

    Attributes:
        harness: Process with which it ends: a harness that is killed leaves nothing behind.
        work: Path of the engines' journal.
        acknowledged: Path of the journal of commits.
        real: Whether the engine is vLLM.
    """

    harness: int
    work: str
    acknowledged: str
    real: bool

    def to_environment(self) -> dict[str, str]:
        """For the runner's environment."""
        return {VARIABLE: json.dumps(asdict(self))}

    @staticmethod
    def from_environment() -> RunnerSettings:
        """The inverse of `to_environment`."""
        return RunnerSettings(**json.loads(os.environ[VARIABLE]))


def put_engine_in(settings: RunnerSettings) -> None:
    """Have jobs get an engine that writes the journal."""
    of_the_job = annotation.engine_spec

    def engine_spec(job: JobSpec, **options: Any) -> EngineSpec:
        journal = {"journal": settings.work}
        if settings.real:
            return ChaosSpec(REAL, of_the_job(job, **options).options | journal)
        fake = {"latency_s": LATENCY_S, "concurrency": CONCURRENCY}
        return ChaosSpec(
            FAKE, journal | fake | {"geometry": read_geometry(Path(job.model.path))}
        )

    annotation.engine_spec = engine_spec


def note_commits(journal: Journal) -> None:
    """Note the keys of rows once the call that commits them has returned.

    From then on a run takes them for granted, so that they must be there whatever happens.
    """

    def noting(commit: Callable[..., None]) -> Callable[..., None]:
        @functools.wraps(commit)
        def committed(table: OutputTable, rows: Any, *rest: Any, **more: Any) -> None:
            commit(table, rows, *rest, **more)
            if not set(KEY) <= set(rows.column_names):
                return
            keys = zip(*(rows.column(name).to_pylist() for name in KEY), strict=True)
            journal.note(table=table.uri.rsplit("/", 1)[1], keys=list(keys))

        return committed

    for name in ("append", "upsert"):
        setattr(OutputTable, name, noting(getattr(OutputTable, name)))


def main() -> None:
    """Become `tagline`."""
    settings = RunnerSettings.from_environment()
    die_with(settings.harness)
    put_engine_in(settings)
    note_commits(Journal(Path(settings.acknowledged)))
    cli.main()


if __name__ == "__main__":
    main()
