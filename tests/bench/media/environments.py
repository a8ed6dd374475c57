"""The peers' environments: their pins must not meddle with Tagline's, nor with each other's."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from infra.demo.s3_environment import ROOT
from schemas.failure import InfrastructureError

TAGLINE, PEERS = "tagline", "bench-media"
DECORD, DECORD2 = "bench-media-decord", "bench-media-decord2"
TORCHCODEC = "bench-media-torchcodec"
NAMES = (PEERS, DECORD, DECORD2, TORCHCODEC)

ONE_THREAD = dict.fromkeys(
    ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "VIPS_CONCURRENCY"), "1"
)
"""Of all contenders: nobody has threads that compute, but the decoder's own."""

_STAMP = "tagline-stamp"
_FFMPEG = "ffmpeg"


@dataclass(frozen=True)
class Interpreter:
    """Where a contender runs.

    Attributes:
        python: Of its environment.
        variables: That its process needs beside `ONE_THREAD`.
    """

    python: Path
    variables: Mapping[str, str] = field(default_factory=dict)


def ensure_environments() -> dict[str, Interpreter]:
    """All environments by name; each made if it is absent or its pins have changed.

    Raises:
        InfrastructureError: If one cannot be made; with what the installer said.
    """
    return {
        TAGLINE: Interpreter(Path(sys.executable)),
        **{name: _ensure(name) for name in NAMES},
    }


def _ensure(name: str) -> Interpreter:
    requirements = ROOT / "requirements" / f"{name}.txt"
    folder = ROOT / ".venvs" / name
    wanted = hashlib.sha256(requirements.read_bytes()).hexdigest()
    stamp, python = folder / _STAMP, folder / "bin" / "python"
    if not (python.exists() and stamp.is_file() and stamp.read_text() == wanted):
        _make(folder, requirements)
        if name == TORCHCODEC:
            _name_ffmpeg_as_torchcodec_does(folder)
        stamp.write_text(wanted)
    if name != TORCHCODEC:
        return Interpreter(python)
    libraries = f"{folder / _FFMPEG}:{_pyav_libraries(folder)}"
    return Interpreter(python, {"LD_LIBRARY_PATH": libraries})


def _make(folder: Path, requirements: Path) -> None:
    uv = ROOT / ".uv" / "bin" / "uv"
    command = str(uv) if uv.exists() else shutil.which("uv")
    if command is None:
        raise InfrastructureError(f"there is no uv in {uv.parent} or on PATH; run `make env`")
    shutil.rmtree(folder, ignore_errors=True)
    _run(folder.name, [command, "venv", "--quiet", "--python", sys.executable, str(folder)])
    # Wheels at hand serve the CPU build of torch; else its own index does.
    links = os.environ.get("UV_FIND_LINKS") or os.environ.get("PIP_FIND_LINKS")
    source = ["--find-links", links] if links else ["--torch-backend", "cpu"]
    pins = ["--quiet", "--no-deps", *source, "-r", str(requirements)]
    python = str(folder / "bin" / "python")
    _run(folder.name, [command, "pip", "install", "--python", python, *pins])


def _name_ffmpeg_as_torchcodec_does(folder: Path) -> None:
    """Link to FFmpeg's libraries in PyAV's wheel by their plain names.

    torchcodec brings none. The wheel has them as ``libavcodec-<digest>.so.62.28.102``.
    """
    links = folder / _FFMPEG
    links.mkdir()
    for library in _pyav_libraries(folder).iterdir():
        found = re.fullmatch(r"(lib(?:av|sw)\w+)-\w+\.so\.(\d+)\.[\d.]+", library.name)
        if found:
            (links / f"{found[1]}.so.{found[2]}").symlink_to(library)


def _pyav_libraries(folder: Path) -> Path:
    [libraries] = folder.glob("lib/python*/site-packages/av.libs")
    return libraries


def _run(name: str, command: list[str]) -> None:
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    if ended.returncode != 0:
        raise InfrastructureError(
            f"the environment {name} cannot be made: {' '.join(command)} ended with "
            f"{ended.returncode}:\n{ended.stderr.strip()[-2000:]}"
        )
