"""What every part of the tests shares: fixtures, and the order of the run."""

from __future__ import annotations

import os
import tempfile

import pytest
from hypothesis import settings
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

# A busy machine is no reason for a test to fail.
settings.register_profile("tagline", deadline=None)
settings.load_profile("tagline")

os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
os.environ.setdefault("VLLM_NO_USAGE_STATS", "1")
os.environ.setdefault("HF_HUB_OFFLINE", "1")
# What a run leaves that does not end belongs to nobody's other runs.
os.environ.setdefault("TAGLINE_STATE_DIR", f"{tempfile.gettempdir()}/tagline-tests")

pytest_plugins = ["tests.fixtures.s3", "tests.fixtures.engines"]

# From what answers in milliseconds to what starts Ray and an engine.
ORDER = ["schemas", "operators", "bench", "jobs", "infra", "pipeline", "contracts"]

# Where engines are started: one at a time, for each wants the whole machine.
ENGINE = {
    "bench",
    "jobs",
    "contracts",
    "test_end_to_end.py",
    "test_ready_jobs.py",
    "test_mix_up.py",
}
RAY = {"pipeline"}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run fast tests first, so that a slip shows at once."""

    def place(item: pytest.Item) -> int:
        top = _top(item.nodeid)
        return ORDER.index(top) if top in ORDER else len(ORDER)

    items.sort(key=place)


class ByNeed(LoadScopeScheduling):
    """Of two processes one has all tests that start an engine, one those that share a Ray.

    The others go, file by file, to whichever is free.
    """

    def _split_scope(self, nodeid: str) -> str:
        top = _top(nodeid)
        return "engine" if top in ENGINE else "ray" if top in RAY else nodeid.split("::")[0]


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> ByNeed:
    """How `make test` divides the tests."""
    return ByNeed(config, log)


def _top(nodeid: str) -> str:
    """The folder or file below ``tests`` that a test is in."""
    return nodeid.split("::")[0].split("/")[1]
