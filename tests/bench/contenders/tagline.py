"""Tagline itself: a whole job from listing to the last commit."""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

import pyarrow.compute as pc
from deltalake import DeltaTable

from pipeline.report import RunReport, Snapshot, StopSignal
from pipeline.run import run_job
from pipeline.stages import ANNOTATE, DECODE
from schemas.job import JobSpec
from tests.bench.contenders.outcome import Outcome, run_contender
from tests.bench.workload import Workload


class Recorder:
    """An observer that keeps everything, and tells the time of each step on stderr."""

    def __init__(self) -> None:
        self.snapshots: list[Snapshot] = []

    def note(self, message: str) -> None:
        """See `pipeline.report.Observer`."""
        print(message, file=sys.stderr)

    def update(self, snapshot: Snapshot) -> None:
        """See `pipeline.report.Observer`."""
        self.snapshots.append(snapshot)


def contend(workload: Workload) -> Outcome:
    """Run the job into a fresh folder."""
    recorder, begun = Recorder(), time.monotonic()
    with tempfile.TemporaryDirectory(dir=workload.scratch) as output:
        report = run_job(
            job(workload, output),
            recorder,
            StopSignal(),
            log_path=str(Path(workload.scratch) / "tagline.log"),
        )
        wall_s = time.monotonic() - begun
        tokens = output_tokens(report)
    items = report.items_done + report.items_failed
    if report.outcome not in ("done", "over_budget") or items != len(workload.keys):
        raise RuntimeError(f"the job ended {report.outcome} after {items} items: {report}")
    print(report, file=sys.stderr)
    details = head_start(recorder.snapshots) | {
        "wall_s": wall_s,
        "failed": report.items_failed,
        "mean_in_flight": mean_in_flight(recorder.snapshots),
    }
    return Outcome(items, report.annotate_s, report.engine_start_s, tokens, details)


def job(workload: Workload, output: str) -> JobSpec:
    """The job file's content; only what a user must say."""
    prefix = workload.keys[0].partition("/")[0]
    return JobSpec.model_validate(
        {
            "name": f"bench-{prefix}",
            "input": f"s3://{workload.bucket}/{prefix}/",
            "storage": {"endpoint_url": workload.endpoint_url, "path_style": True},
            "model": workload.model,
            "tasks": [workload.task],
            "output": output,
            "failures": {"budget": 1.0},
        }
    )


def head_start(snapshots: list[Snapshot]) -> dict[str, float]:
    """What decoding had done when annotating began.

    The observer sees the run once a second, so this is an upper bound, and the beginning
    of the timed part is known to within ``ready_seen_late_s`` at worst.
    """
    since = next(i for i, one in enumerate(snapshots) if one.phase == "annotating")
    first, before = snapshots[since], snapshots[max(since - 1, 0)]
    return {
        "decoded_before_engine_ready": _done(first, DECODE),
        "ready_seen_late_s": first.elapsed_s - before.elapsed_s,
    }


def mean_in_flight(snapshots: list[Snapshot]) -> float:
    """Items that the engine held, on average over the timed part."""
    held = [
        float(stage.busy.partition(" items in flight")[0])
        for one in snapshots
        if one.phase == "annotating"
        for stage in one.stages
        if stage.name == ANNOTATE and "items in flight" in stage.busy
    ]
    return sum(held) / max(len(held), 1)


def output_tokens(report: RunReport) -> int:
    """Tokens of all answers that became rows."""
    rows = DeltaTable(report.tables["captions"]).to_pyarrow_table(columns=["output_tokens"])
    return pc.sum(rows.column("output_tokens")).as_py() or 0


def _done(snapshot: Snapshot, stage: str) -> int:
    return next((one.done for one in snapshot.stages if one.name == stage), 0)


if __name__ == "__main__":
    run_contender(contend)
