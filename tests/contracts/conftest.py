"""Running engines, which cost much to start: shared here, and ended with this folder."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from infra.demo.checkpoint.architecture import ARCHITECTURES
from tests.fixtures.engines import CheckpointFactory, RunningEngine, running_engine


@pytest.fixture(scope="package")
def engine_26(checkpoint_26: Path) -> Iterator[RunningEngine]:
    """A real engine with the tiny MiniCPM-V 2.6, shared by the session."""
    with running_engine(checkpoint_26) as running:
        yield running


@pytest.fixture(scope="package", params=sorted(ARCHITECTURES))
def running(
    request: pytest.FixtureRequest, tiny_checkpoint: CheckpointFactory
) -> Iterator[RunningEngine]:
    """A real engine of each family in turn; tests that ask for it are grouped by family."""
    if request.param == "minicpm-v-2.6":
        yield request.getfixturevalue("engine_26")
        return
    with running_engine(tiny_checkpoint(request.param)) as own:
        yield own
