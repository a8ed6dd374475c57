"""Every guard that is to be removed is there to be removed."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.mutants.guards import GUARDS, Guard

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("guard", GUARDS, ids=lambda guard: guard.what)
def test_a_guard_is_where_it_is_said_to_be(guard: Guard) -> None:
    assert (ROOT / guard.file).read_text(encoding="utf-8").count(guard.there) == 1
    assert all((ROOT / test).is_file() for test in guard.tests)


def test_each_guards_something_else() -> None:
    assert len({guard.what for guard in GUARDS}) == len(GUARDS)
