"""The environment of the contender `ray.data.llm`: it needs an older vLLM than Tagline."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

from infra.demo.s3_environment import ROOT
from schemas.failure import InfrastructureError

FOLDER = ROOT / ".venvs" / "ray-data-llm"
REQUIREMENTS = ROOT / "requirements" / "bench-ray-data-llm.txt"
_STAMP = "tagline-stamp"


def ensure_environment() -> Path:
    """The environment's Python interpreter; made if it is absent or its pins have changed.

    Raises:
        InfrastructureError: If it cannot be made; with what the installer said.
    """
    wanted = hashlib.sha256(REQUIREMENTS.read_bytes()).hexdigest()
    stamp, python = FOLDER / _STAMP, FOLDER / "bin" / "python"
    if not (python.exists() and stamp.is_file() and stamp.read_text() == wanted):
        _make(python)
        stamp.write_text(wanted)
    return python


def _make(python: Path) -> None:
    uv = ROOT / ".uv" / "bin" / "uv"
    command = str(uv) if uv.exists() else shutil.which("uv")
    if command is None:
        raise InfrastructureError(f"there is no uv in {uv.parent} or on PATH; run `make env`")
    shutil.rmtree(FOLDER, ignore_errors=True)
    _run([command, "venv", "--quiet", "--python", sys.executable, str(FOLDER)])
    # Wheels at hand serve the CPU build of torch; else its own index does.
    links = os.environ.get("UV_FIND_LINKS") or os.environ.get("PIP_FIND_LINKS")
    source = ["--find-links", links] if links else ["--torch-backend", "cpu"]
    pins = ["--quiet", "--no-deps", *source, "-r", str(REQUIREMENTS)]
    _run([command, "pip", "install", "--python", str(python), *pins])
    _quieten_torchvision()


def _quieten_torchvision() -> None:
    """Let the registry's torchvision, a CUDA build, be imported beside a CPU torch.

    It registers shapes for operators that its own library, which needs CUDA, would define.
    """
    [module] = FOLDER.glob("lib/python*/site-packages/torchvision/_meta_registrations.py")
    # The file may be a hard link into the installer's cache: replace it, do not write it.
    module.unlink()
    module.write_text('"""Emptied: see tests/bench/ray_data_llm_environment.py."""\n')


def _run(command: list[str]) -> None:
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    if ended.returncode != 0:
        raise InfrastructureError(
            f"the environment of ray.data.llm cannot be made: {' '.join(command)} ended with "
            f"{ended.returncode}:\n{ended.stderr.strip()[-2000:]}"
        )
