"""A Ray that dies, or does not come up, is told in Tagline's words."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterator

import pytest
import ray

from jobs.exit_codes import ExitCode
from pipeline import cluster
from pipeline.cluster import ClusterSize, connect, disconnect, is_abandoned, require_ray
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


def test_a_dead_ray_is_left_as_it_is(
    process: subprocess.Popen[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cluster.ray_worker, "_global_node", Node(raylet=process))
    monkeypatch.setattr(cluster, "_abandoned", threading.Event())
    monkeypatch.setattr(ray, "is_initialized", lambda: True)
    left = []
    monkeypatch.setattr(ray, "shutdown", lambda: left.append(True))
    mine = ClusterSize(cpus=4, gpus=0, started_here=True)
    disconnect(mine)
    assert (left, is_abandoned()) == ([True], False)
    process.kill()
    process.wait()
    disconnect(mine)
    assert (left, is_abandoned()) == ([True], True)


HOOKED = """
import atexit, os, sys
from jobs import cli
from pipeline import cluster

atexit.register(os._exit, 99)  # As Ray does where it was left with threads in it.
if sys.argv.pop(1) == "dead":
    cluster._abandoned.set()
cli.main()
"""


@pytest.mark.parametrize(("ray_is", "code"), [("dead", ExitCode.USAGE), ("well", 99)])
def test_the_exit_code_is_ours_even_if_ray_died(ray_is: str, code: int) -> None:
    command = [sys.executable, "-c", HOOKED, ray_is, "validate", "/no/such/job.yaml"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=240)
    assert done.returncode == code
    assert "/no/such/job.yaml" in done.stderr
