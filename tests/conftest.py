"""What every part of the tests shares: fixtures, and the order of the run."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import settings

# A busy machine is no reason for a test to fail.
settings.register_profile("tagline", deadline=None)
settings.load_profile("tagline")

os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
os.environ.setdefault("VLLM_NO_USAGE_STATS", "1")
os.environ.setdefault("HF_HUB_OFFLINE", "1")

pytest_plugins = ["tests.fixtures.s3", "tests.fixtures.engines"]

# From what answers in milliseconds to what starts Ray and an engine.
ORDER = ["schemas", "operators", "bench", "jobs", "infra", "pipeline", "contracts"]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run fast tests first, so that a slip shows at once."""
    here = Path(__file__).parent

    def place(item: pytest.Item) -> int:
        folder = item.path.relative_to(here).parts[0]
        return ORDER.index(folder) if folder in ORDER else len(ORDER)

    items.sort(key=place)
