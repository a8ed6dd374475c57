"""The S3 server's own virtual environment: its pins must not meddle with Tagline's."""

from __future__ import annotations

import fcntl
import hashlib
import shutil
import subprocess
import sys
from pathlib import Path

from schemas.failure import InfrastructureError

ROOT = Path(__file__).resolve().parents[2]
REQUIREMENTS = ROOT / "requirements" / "s3-server.txt"
_STAMP = "tagline-stamp"


def ensure_environment(
    folder: Path = ROOT / ".venvs" / "s3", requirements: Path = REQUIREMENTS
) -> Path:
    """The environment in this folder, made if it is absent or its pins have changed.

    Safe when several processes ask for it at once.

    Returns:
        Its Python interpreter.

    Raises:
        InfrastructureError: If it cannot be made; with what the installer said.
    """
    wanted = hashlib.sha256(requirements.read_bytes()).hexdigest()
    python = folder / "bin" / "python"
    folder.parent.mkdir(parents=True, exist_ok=True)
    with open(folder.parent / f".{folder.name}.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (python.exists() and _read_stamp(folder) == wanted):
            _make(folder, python, requirements)
            (folder / _STAMP).write_text(wanted)
    return python


def _read_stamp(folder: Path) -> str:
    stamp = folder / _STAMP
    return stamp.read_text() if stamp.is_file() else ""


def _make(folder: Path, python: Path, requirements: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    uv = _find_uv()
    pins = ["--quiet", "--no-deps", "-r", str(requirements)]
    if uv:
        _run([uv, "venv", "--quiet", "--python", sys.executable, str(folder)])
        _run([uv, "pip", "install", "--python", str(python), *pins])
    else:
        _run([sys.executable, "-m", "venv", str(folder)])
        _run([str(python), "-m", "pip", "install", *pins])


def _find_uv() -> str | None:
    beside = ROOT / ".uv" / "bin" / "uv"
    return str(beside) if beside.exists() else shutil.which("uv")


def _run(command: list[str]) -> None:
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    if ended.returncode != 0:
        raise InfrastructureError(
            f"the S3 server's environment cannot be made: {' '.join(command)} ended with "
            f"{ended.returncode}:\n{ended.stderr.strip()[-2000:]}"
        )


if __name__ == "__main__":
    ensure_environment()
