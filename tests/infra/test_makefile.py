from __future__ import annotations

import os
import shutil
import stat
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TARGETS = {
    "help",
    "env",
    "demo",
    "demo-eval",
    "demo-parity",
    "demo-train",
    "test",
    "check",
    "lock",
    "clean",
    "test-rgw",
    "bench-pipeline",
    "bench-memory",
}


def make(*arguments: str, folder: Path = ROOT) -> subprocess.CompletedProcess[str]:
    # A make that runs these tests must not speak to the one that is tested.
    theirs = ("MAKEFLAGS", "MAKELEVEL", "MFLAGS")
    kept = {name: value for name, value in os.environ.items() if name not in theirs}
    return subprocess.run(
        ["make", *arguments], cwd=folder, env=kept, capture_output=True, text=True, check=False
    )


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A checkout with the Makefile and what it depends on, and no environment yet."""
    shutil.copy(ROOT / "Makefile", tmp_path)
    (tmp_path / "requirements").mkdir()
    for name in ("pyproject.toml", "requirements/cpu.txt", "requirements/s3-server.txt"):
        shutil.copy(ROOT / name, tmp_path / name)
    return tmp_path


def test_without_a_target_it_lists_all_of_them() -> None:
    listed = make()
    assert listed.returncode == 0
    rows = [line.split(maxsplit=1) for line in listed.stdout.splitlines()[1:]]
    assert {row[0] for row in rows} >= TARGETS
    assert all(len(row) == 2 for row in rows)


@pytest.mark.parametrize("target", sorted(TARGETS - {"help"}))
def test_every_target_can_be_planned(target: str) -> None:
    planned = make("--dry-run", target)
    assert planned.returncode == 0, planned.stderr


def test_check_looks_at_format_lint_types_and_layers_before_it_tests() -> None:
    plan = make("--dry-run", "check").stdout
    order = ["ruff format --check", "ruff check", "bin/mypy", "lint-imports", "bin/pytest"]
    places = [plan.index(step) for step in order]
    assert places == sorted(places)


def test_too_old_a_python_is_refused_with_what_to_do(copy: Path) -> None:
    old = copy / "old-python"
    old.write_text('#!/bin/sh\n[ "$1" = -V ] && { echo Python 3.9.2; exit 0; }\nexit 1\n')
    old.chmod(old.stat().st_mode | stat.S_IXUSR)
    refused = make("env", f"PYTHON={old}", folder=copy)
    assert refused.returncode != 0
    assert "Python 3.9.2" in refused.stderr
    assert "needs Python 3.11 or newer" in refused.stderr
    assert not (copy / ".uv").exists()


def test_no_python_at_all_is_said_as_well(copy: Path) -> None:
    refused = make("env", "PYTHON=no-such-python", folder=copy)
    assert refused.returncode != 0
    assert "no-such-python is not there" in refused.stderr


def test_continuous_integration_runs_the_tests() -> None:
    script = ROOT / ".ci" / "run"
    assert os.access(script, os.X_OK)
    lines = script.read_text().splitlines()
    assert "set -euo pipefail" in lines
    assert lines[-1].endswith("make --no-print-directory test")
