"""A Ray that dies, or does not come up, is told in Tagline's words."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator

import pytest
import ray

from pipeline import cluster
from pipeline.cluster import connect, require_ray
from schemas.failure import ClusterError
from schemas.job import ResourceSpec


class Node:
    """What Ray knows of the processes that it has started here."""

    def __init__(self, **processes: subprocess.Popen[bytes]) -> None:
        self._processes = processes

    def dead_processes(self) -> list[tuple[str, subprocess.Popen[bytes]]]:
        return [(n, p) for n, p in self._processes.items() if p.poll() is not None]


@pytest.fixture
def process() -> Iterator[subprocess.Popen[bytes]]:
    code = "import time; time.sleep(100)"
    started = subprocess.Popen([sys.executable, "-c", code])
    yield started
    started.kill()
    started.wait()


@pytest.mark.parametrize("name", ["raylet", "gcs_server"])
def test_a_ray_that_died_ends_the_run(
    name: str, process: subprocess.Popen[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cluster.ray_worker, "_global_node", Node(**{name: process}))
    require_ray()
    process.kill()
    process.wait()
    with pytest.raises(ClusterError, match=rf"{name}.*run the same job again"):
        require_ray()


def test_what_a_run_can_do_without_may_die(
    process: subprocess.Popen[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cluster.ray_worker, "_global_node", Node(dashboard=process))
    process.kill()
    process.wait()
    require_ray()


def test_a_ray_that_does_not_come_up_is_a_cluster_error(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def init(**_: object) -> None:
        raise Exception("The current node timed out during startup.")

    monkeypatch.setattr(ray, "is_initialized", lambda: False)
    monkeypatch.setattr(ray, "init", init)
    with pytest.raises(ClusterError, match="timed out during startup"):
        connect(ResourceSpec())
