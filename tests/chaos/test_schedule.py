"""A schedule comes from its seed alone, and what was done again is counted."""

from __future__ import annotations

from collections import Counter

from tests.chaos.journal import ANSWERED, BEGUN, Journal, Work, work_of
from tests.chaos.schedule import Kind, make_schedule


def test_the_same_seed_gives_the_same_kinds_and_moments() -> None:
    assert make_schedule(7, 40, list(Kind)) == make_schedule(7, 40, list(Kind))
    assert make_schedule(7, 40, list(Kind)) != make_schedule(8, 40, list(Kind))


def test_every_kind_comes_as_often_as_any_other() -> None:
    counts = Counter(kill.kind for kill in make_schedule(1, 100, list(Kind)))
    assert set(counts) == set(Kind)
    assert max(counts.values()) - min(counts.values()) <= 1


def test_work_that_was_done_again_is_counted(tmp_path) -> None:
    journal = Journal(tmp_path / "work.jsonl")
    assert work_of(journal) == Work(0, 0, 0)
    for request in ("a", "b", "a", "a"):
        journal.note(what=BEGUN, request=request)
    for request in ("a", "b", "a"):
        journal.note(what=ANSWERED, request=request)
    assert work_of(journal) == Work(distinct=2, begun_again=2, answered_again=1)
