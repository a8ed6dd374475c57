"""Start Ray here, or join a cluster, with nothing phoning home."""

from __future__ import annotations

import importlib.metadata
import logging
import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ray
from ray._private import services
from ray._private import worker as ray_worker
from ray._private.ray_constants import PROCESS_TYPE_GCS_SERVER, PROCESS_TYPE_RAYLET

import operators
import pipeline
import schemas
from schemas.failure import ClusterError
from schemas.job import ResourceSpec

SHIPPED_PACKAGES = (schemas, operators, pipeline)
"""What bare workers need of Tagline; sent to them by Ray."""

# A task given less than one CPU may share a core; a local Ray needs a few "CPUs" to hold
# one worker of each stage even on a one-core machine.
FEWEST_LOCAL_CPUS = 4

QUIET_ENVIRONMENT = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "VLLM_NO_USAGE_STATS": "1",
    "VLLM_DO_NOT_TRACK": "1",
    "DO_NOT_TRACK": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
}


@dataclass(frozen=True)
class ClusterSize:
    """What the cluster offers.

    Attributes:
        cpus: In Ray's units.
        gpus: Likewise.
        started_here: Whether Ray was started or joined by this run, which then leaves it.
        gpu_build: Whether the vLLM installed here, as in the workers' image, is for GPUs.
            A growing cluster may not show its GPUs yet; this tells what to ask it for.
    """

    cpus: float
    gpus: float
    started_here: bool
    gpu_build: bool = False


def connect(resources: ResourceSpec) -> ClusterSize:
    """Start or join Ray; a Ray that this process already uses is used and left running.

    Usage reports stay off unless the user's own environment switches them on.

    Raises:
        ClusterError: If Ray cannot be started or reached.
    """
    for name, value in QUIET_ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    # Ray starts workers at nice 15. The engine is a worker's child: anything else that runs
    # on the machine would go before it.
    os.environ.setdefault("RAY_worker_niceness", "0")
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    started_here = not ray.is_initialized()
    if started_here:
        _init(resources)
    total = ray.cluster_resources()
    return ClusterSize(
        cpus=total.get("CPU", 0.0),
        gpus=total.get("GPU", 0.0),
        started_here=started_here,
        gpu_build=_installed("vllm"),
    )


def _installed(package: str) -> bool:
    try:
        importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return False
    return True


def _init(resources: ResourceSpec) -> None:
    arguments: dict[str, Any] = {
        "log_to_driver": False,
        "logging_level": logging.WARNING,
        "configure_logging": True,
        "runtime_env": _runtime_env(ship=resources.ray_address is not None),
    }
    if resources.ray_address is not None:
        arguments["address"] = resources.ray_address
    else:
        arguments |= {
            "address": "local",
            "include_dashboard": False,
            "num_cpus": max(FEWEST_LOCAL_CPUS, os.cpu_count() or 1),
        }
        if resources.object_store_gib is not None:
            arguments["object_store_memory"] = int(resources.object_store_gib * 1024**3)
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        with _without_cloud_lookup():
            ray.init(**arguments)
    except Exception as error:
        # Ray raises a plain one where its node does not come up in time, on a busy machine say.
        where = resources.ray_address or "this machine"
        raise ClusterError(
            f"cannot start Ray on {where}: {error}; check resources.ray_address, and that "
            "/dev/shm and the temporary folder have room"
        ) from error
    finally:
        # Ray puts handlers of its own in place, which leave the process without a commit.
        if threading.current_thread() is threading.main_thread():
            for number, handler in handlers.items():
                signal.signal(number, handler)


@contextmanager
def _without_cloud_lookup() -> Iterator[None]:
    """Keep Ray's head from asking the network which cloud it is in.

    Even with usage reports off, and without a dashboard, Ray loads the module that makes
    them, which asks the clouds' metadata addresses when it starts. A module that is off by
    default is loaded in its place. Ray has no setting for it; the test that watches for
    connections fails should this stop working.
    """
    if os.environ["RAY_USAGE_STATS_ENABLED"] != "0":
        yield
        return
    original = services.start_ray_process

    def start(command: list[str], *args: Any, **kwargs: Any) -> Any:
        command = [part.replace(USAGE_MODULE, MODULE_THAT_IS_OFF) for part in command]
        return original(command, *args, **kwargs)

    services.start_ray_process = start
    try:
        yield
    finally:
        services.start_ray_process = original


USAGE_MODULE = "--modules-to-load=UsageStatsHead"
MODULE_THAT_IS_OFF = "--modules-to-load=PlatformEventsHead"


def _runtime_env(*, ship: bool) -> dict[str, Any]:
    environment = {name: os.environ[name] for name in QUIET_ENVIRONMENT}
    runtime_env: dict[str, Any] = {"env_vars": environment}
    if ship:
        runtime_env["py_modules"] = [str(_folder(package)) for package in SHIPPED_PACKAGES]
    return runtime_env


def _folder(package: Any) -> Path:
    return Path(package.__file__).resolve().parent


def require_ray() -> None:
    """See that the Ray that this process has started is still there.

    Ray itself waits a minute for it to come back, and then ends the process without a word,
    and with an exit code that means something else.

    Raises:
        ClusterError: If it died.
    """
    gone = _dead_parts()
    if gone:
        raise ClusterError(
            f"Ray died on this machine ({', '.join(gone)}); see that there is memory left, "
            "and run the same job again to go on"
        )


def _dead_parts() -> list[str]:
    """What has died of the Ray that this process has started, of what it cannot be without."""
    node = ray_worker._global_node
    dead = {} if node is None else dict(node.dead_processes())
    return sorted(dead.keys() & {PROCESS_TYPE_RAYLET, PROCESS_TYPE_GCS_SERVER})


def disconnect(cluster: ClusterSize) -> None:
    """Leave the cluster if `connect` joined or started it; a local Ray stops with that."""
    if not (cluster.started_here and ray.is_initialized()):
        return
    if _dead_parts():
        # The graph's threads wait in it for what will not come, and Ray ends a process whose
        # threads are in it once it is left: see `is_abandoned`.
        _abandoned.set()
        return
    ray.shutdown()


def is_abandoned() -> bool:
    """Whether Ray died and could not be left.

    Such a process must end by `os._exit`: in an orderly end Ray would crash it, or give it an
    exit code that means something else.
    """
    return _abandoned.is_set()


_abandoned = threading.Event()
