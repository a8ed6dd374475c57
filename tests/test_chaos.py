"""A short, seeded part of ``make chaos``: a job is killed in every way and nothing is lost."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from tests.chaos.schedule import Kind

KINDS = [kind for kind in Kind if kind is not Kind.SPILL_DISK]
KILLS = 6
ITEMS = 100


@pytest.mark.timeout(600)
def test_a_job_that_is_killed_in_every_way_neither_loses_nor_doubles_nor_mixes_up() -> None:
    command = [sys.executable, "-m", "tests.chaos", "--seed=5", f"--kills={KILLS}"]
    command += [f"--items={ITEMS}", "--kinds", *KINDS]
    # In a process of its own: what the harness starts ends with that, also on a timeout.
    done = subprocess.run(command, capture_output=True, text=True, env=os.environ, timeout=590)
    assert done.stdout, done.stderr[-4000:]
    told = json.loads(done.stdout.splitlines()[-1])
    about = f"{told}\n{done.stderr[-4000:]}"
    assert set(told["kills_by_kind"]) == set(KINDS), about
    assert told["kills"] == KILLS, about
    for wrong in ("lost", "doubled", "orphans_visible", "mixed_up"):
        assert told[wrong] == 0, about
    assert not told["stuck"], about
    # 3: Ray died under the run. Anything else would be a death that nobody was told of.
    assert set(told["exits"]) <= {"0", "3", "-9"}, about
    assert done.returncode == 0, about
