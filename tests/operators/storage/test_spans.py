from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from operators.storage.spans import Spans, merged

SPANS = st.lists(
    st.tuples(st.integers(0, 60), st.integers(1, 12)).map(lambda p: (p[0], sum(p)))
)


def offsets(spans: list[tuple[int, int]]) -> set[int]:
    return {offset for start, end in spans for offset in range(start, end)}


@given(SPANS, st.integers(0, 70), st.integers(0, 30))
def test_spans_are_a_set_of_offsets(added, start, size) -> None:
    spans = Spans()
    for one in added:
        spans.add(*one)
    there = offsets(added)
    gaps = spans.gaps(start, start + size)
    assert offsets(gaps) == set(range(start, start + size)) - there
    assert sorted(gaps) == gaps
    end = spans.end_at(start)
    assert set(range(start, end)) <= there
    assert end not in there


@given(SPANS, st.integers(0, 10))
def test_merging_loses_nothing_and_adds_small_gaps_only(ranges, gap) -> None:
    found = merged(ranges, gap)
    assert offsets(ranges) <= offsets(found)
    assert all(later - end > gap for (_, end), (later, _) in pairwise(found))
    assert sum(end - start for start, end in found) <= len(offsets(ranges)) + gap * len(ranges)
