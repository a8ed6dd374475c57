"""A job on a cluster of two nodes whose Python does not know Tagline."""

from __future__ import annotations

import json
import os
import secrets
import socket
import subprocess
import sys
import sysconfig
import venv
from collections.abc import Iterator
from pathlib import Path

import pytest
from deltalake import DeltaTable

from tests.pipeline.conftest import draw

DRIVER = """
import json, sys
from operators.base import EngineSpec
from operators.models.checkpoint import read_geometry
from pathlib import Path
from pipeline.report import StopSignal
from pipeline.run import run_job
from schemas.job import JobSpec

class Quiet:
    def note(self, message): pass
    def update(self, snapshot): pass

job = JobSpec.model_validate(json.loads(sys.argv[1]))
engine = EngineSpec("fake", {"geometry": read_geometry(Path(job.model.path))})
report = run_job(job, Quiet(), StopSignal(), engine=engine)
import ray
ray.init(address=job.resources.ray_address, log_to_driver=False)
print(json.dumps({"outcome": report.outcome, "nodes": len(ray.nodes())}))
"""


TOKEN = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32)}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.fixture(scope="module")
def bare_python(tmp_path_factory) -> Path:
    """A Python that has everything installed but Tagline.

    The folder of packages is put on its path as it is, so that the link by which this
    checkout is installed there (a .pth file) is not followed.
    """
    home = tmp_path_factory.mktemp("bare")
    venv.create(home, with_pip=False)
    python = home / "bin" / "python"
    packages = home / "lib" / f"python{sys.version_info[0]}.{sys.version_info[1]}"
    (packages / "site-packages" / "all.pth").write_text(sysconfig.get_paths()["purelib"])
    imports = "import ray, pyarrow, PIL; import operators"
    tried = subprocess.run([python, "-c", imports], cwd="/", capture_output=True, text=True)
    assert "No module named 'operators'" in tried.stderr
    return python


@pytest.fixture(scope="module")
def cluster(bare_python, tmp_path_factory) -> Iterator[str]:
    """Address of a cluster of two nodes with two CPUs each."""
    port = free_port()
    address = f"127.0.0.1:{port}"
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    environment |= {"RAY_USAGE_STATS_ENABLED": "0"} | TOKEN
    # Unix socket names have a short limit: the folder's must be short too.
    scratch = Path("/tmp") / f"tagline-{os.getpid()}-{port}"
    ray = [str(bare_python), "-m", "ray.scripts.scripts"]
    common = ["--object-store-memory=200000000", "--disable-usage-stats"]

    def start(*options: str) -> None:
        done = subprocess.run(
            [*ray, "start", *options, *common],
            cwd="/",
            env=environment,
            capture_output=True,
            text=True,
            timeout=120,
        )
        assert done.returncode == 0, done.stdout + done.stderr

    start(
        *("--head", f"--port={port}", "--num-cpus=2", "--include-dashboard=false"),
        *("--node-ip-address=127.0.0.1", f"--temp-dir={scratch}"),
    )
    start(f"--address={address}", "--num-cpus=2")
    yield address
    pids = subprocess.run(["pgrep", "-f", str(scratch)], capture_output=True, text=True)
    for pid in pids.stdout.split():
        subprocess.run(["kill", "-9", pid], check=False)


def test_bare_workers_on_two_nodes_run_the_job(cluster, checkpoint, tmp_path):
    for number in range(10):
        draw(tmp_path / "in" / f"{number}.png", number)
    job = {
        "input": str(tmp_path / "in"),
        "model": str(checkpoint),
        "tasks": ["caption"],
        "output": str(tmp_path / "out"),
        # Two decoders and an engine of one CPU each: no node can hold all three.
        "resources": {"ray_address": cluster, "decode_workers": 2},
    }
    done = subprocess.run(
        [sys.executable, "-c", DRIVER, json.dumps(job)],
        capture_output=True,
        text=True,
        timeout=240,
        env=os.environ | TOKEN,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    told = json.loads(done.stdout.strip().splitlines()[-1])
    assert told == {"outcome": "done", "nodes": 2}
    assert DeltaTable(str(tmp_path / "out" / "captions")).to_pyarrow_table().num_rows == 10
