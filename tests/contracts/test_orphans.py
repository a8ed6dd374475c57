"""An engine's processes end with the Ray actor that holds it, however that ends."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
import ray

from operators.annotate import AnnotateOperator
from operators.models.checkpoint import read_geometry
from operators.tasks.registry import bind_tasks
from pipeline.board import start_board
from pipeline.cluster import connect, disconnect
from pipeline.model import engine_spec
from pipeline.stages import AnnotateStage
from schemas.job import JobSpec
from tests.chaos.processes import is_core

GONE_S = 10.0
START_S = 240.0


@pytest.fixture
def engine_core(checkpoint_26: Path, tmp_path: Path) -> Iterator[psutil.Process]:
    """The process in which vLLM runs the model, below the stage's actor as jobs have it."""
    job = JobSpec.model_validate(
        {
            "input": str(tmp_path),
            "model": str(checkpoint_26),
            "tasks": ["caption"],
            "output": str(tmp_path / "out"),
            "resources": {"object_store_gib": 0.1},
        }
    )
    operator = AnnotateOperator(
        engine_spec(job, gpus=0, log_path=str(tmp_path / "vllm.log")),
        "minicpm-v-2.6",
        read_geometry(checkpoint_26),
        bind_tasks(job.tasks),
    )
    cluster = connect(job.resources)
    try:
        actor = ray.remote(AnnotateStage).options(num_cpus=1).remote(operator, start_board(), 3)
        ray.get(actor.__ray_ready__.remote(), timeout=START_S)
        mine = psutil.Process().children(recursive=True)
        [core] = [one for one in mine if is_core(one) and _belongs_to_an_actor(one)]
        yield core
    finally:
        disconnect(cluster)


def _belongs_to_an_actor(process: psutil.Process) -> bool:
    parent = process.parent()
    return parent is not None and parent.pid != os.getpid()


def test_a_killed_actor_leaves_no_engine_behind(engine_core: psutil.Process) -> None:
    actor = engine_core.parent()
    assert actor is not None
    assert "AnnotateStage" in " ".join(actor.cmdline())
    below = actor.children(recursive=True)
    assert engine_core in below
    killed = time.monotonic()
    actor.kill()
    _, alive = psutil.wait_procs(below, timeout=GONE_S)
    for process in alive:
        process.kill()
    assert alive == [], f"they lived on for {time.monotonic() - killed:.0f} s"
