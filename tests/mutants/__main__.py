"""``make mutants``: remove each guard in turn, and see that a test fails.

Works on a copy of the source. Prints a line for each guard and one JSON object last:
``guards``, ``noticed``, and ``unnoticed`` with what they guard.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from tests.mutants.guards import GUARDS, Guard

ROOT = Path(__file__).parents[2]
COPIED = ("schemas", "operators", "pipeline", "jobs", "infra", "tests", "pyproject.toml")
LIMIT_S = 600
FAILED = 1
"""How pytest ends when tests failed; anything else is no answer."""


def main(arguments: Sequence[str]) -> int:
    """Returns the exit code: 0 if every guard is missed by some test."""
    parser = argparse.ArgumentParser(prog="python -m tests.mutants")
    parser.add_argument("--only", default="", help="guards whose words hold this")
    chosen = parser.parse_args(arguments)
    guards = [guard for guard in GUARDS if chosen.only in guard.what]
    unnoticed = []
    with tempfile.TemporaryDirectory(prefix="tagline-mutants-") as folder:
        copy = Path(folder)
        for name in COPIED:
            if (ROOT / name).is_dir():
                shutil.copytree(ROOT / name, copy / name)
            else:
                shutil.copyfile(ROOT / name, copy / name)
        # The tests' S3 server has an environment of its own, beside the source.
        (copy / ".venvs").symlink_to(ROOT / ".venvs")
        for guard in guards:
            noticed = is_noticed(copy, guard)
            print(f"{'noticed' if noticed else 'NOT NOTICED'}: {guard.what}", flush=True)
            if not noticed:
                unnoticed.append(guard.what)
    counts = {"guards": len(guards), "noticed": len(guards) - len(unnoticed)}
    print(json.dumps(counts | {"unnoticed": unnoticed}))
    return 1 if unnoticed else 0


def is_noticed(copy: Path, guard: Guard) -> bool:
    """Whether a test fails on a copy of the source without a guard."""
    file = copy / guard.file
    whole = file.read_text(encoding="utf-8")
    file.write_text(whole.replace(guard.there, guard.gone), encoding="utf-8")
    command = [sys.executable, "-m", "pytest", "-x", "-q", "-n0", "-p", "no:cacheprovider"]
    try:
        for test in guard.tests:
            done = subprocess.run(
                [*command, test], cwd=copy, capture_output=True, check=False, timeout=LIMIT_S
            )
            if done.returncode == FAILED:
                return True
            if done.returncode:
                raise RuntimeError(f"{test} could not be run: {done.stdout.decode()[-2000:]}")
    finally:
        file.write_text(whole, encoding="utf-8")
    return False


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
