"""The index of looks against a comparison of each with each."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from operators.looks import BITS, Look
from pipeline.firsts import First, Firsts, Shown
from pipeline.near_index import NearIndex

TINTS = (bytes(384), bytes([10]) * 384, bytes([20]) * 384)
"""The first and the last agree with the middle one only."""


class EachWithEach:
    """What `NearIndex` is to answer, by definition."""

    def __init__(self, distance: int) -> None:
        self._distance = distance
        self._firsts: list[tuple[str, str, Look]] = []

    def first_like(self, group: str, item_id: str, look: Look) -> tuple[str, int]:
        alike = [
            (first.distance(look), number, name)
            for number, (of_group, name, first) in enumerate(self._firsts)
            if of_group == group
            and first.distance(look) <= self._distance
            and first.has_tints_of(look)
        ]
        if alike:
            distance, _, name = min(alike)
            return name, distance
        self._firsts.append((group, item_id, look))
        return item_id, 0


def near_one_another(seed: int, count: int, most: int) -> list[tuple[str, str, Look]]:
    """Pictures around a few, as far from those as they may be and a little further."""
    rng = random.Random(seed)
    centres = [rng.getrandbits(BITS) for _ in range(3)]
    shown = []
    for number in range(count):
        bits = rng.choice(centres)
        for place in rng.sample(range(BITS), rng.randint(0, most + 2)):
            bits ^= 1 << place
        shown.append((rng.choice("gh"), f"item {number}", Look(bits, rng.choice(TINTS))))
    return shown


@given(st.integers(0, 12), st.integers(0, 2**32), st.integers(1, 60))
def test_none_within_the_distance_is_missed_and_none_beyond_is_found(distance, seed, count):
    index, reference = NearIndex(distance), EachWithEach(distance)
    for one in near_one_another(seed, count, distance):
        assert index.first_like(*one) == reference.first_like(*one)


@pytest.mark.parametrize("distance", range(13))
def test_every_spread_of_the_bits_over_the_bands_is_found(distance):
    """Differing bits lie in all ways over the four bands of 16 bits."""
    rng = random.Random(distance)
    bits = rng.getrandbits(BITS)
    index = NearIndex(distance)
    index.first_like("g", "first", Look(bits, TINTS[0]))
    spreads = [
        (a, b, c, distance - a - b - c)
        for a in range(distance + 1)
        for b in range(distance + 1 - a)
        for c in range(distance + 1 - a - b)
    ]
    for spread in spreads:
        other = bits
        for band, count in enumerate(spread):
            for place in rng.sample(range(16), count):
                other ^= 1 << (16 * band + place)
        assert index.first_like("g", str(spread), Look(other, TINTS[0])) == ("first", distance)


@given(st.integers(0, 8), st.integers(0, 2**32))
def test_who_was_first_stays_so_when_its_batch_is_done_again(distance, seed):
    shown = near_one_another(seed, 30, distance)
    index = NearIndex(distance)
    answers = [index.first_like(*one) for one in shown]
    firsts = {name for name, _ in answers}
    for (group, item_id, look), (name, _) in zip(shown, answers, strict=True):
        again, _ = index.first_like(group, item_id, look)
        assert again in firsts
        assert (again == item_id) is (name == item_id)


def test_a_copy_is_of_one_that_was_asked_itself():
    """In a row of pictures each near the next, none is copied from a copy."""
    index = NearIndex(4)
    names = [
        index.first_like("g", str(n), Look((1 << 3 * n) - 1, TINTS[0]))[0] for n in range(20)
    ]
    assert names[:4] == ["0", "0", "2", "2"]
    assert set(names) == {name for n, name in enumerate(names) if name == str(n)}


def shown(item_id: str, same: str | None = None, bits: int | None = None) -> Shown:
    look = None if bits is None else Look(bits, TINTS[0]).to_bytes()
    return Shown(item_id, same, None if bits is None else "g", look)


def test_what_shows_the_same_as_a_copy_takes_the_answer_of_its_first():
    firsts = Firsts(near=2)
    assert firsts.of(shown("a", bits=0)) == First("a")
    assert firsts.of(shown("b", same="x", bits=1)) == First("a", 1)
    assert firsts.of(shown("c", same="x", bits=1)) == First("a", 1)
    assert firsts.of(shown("d", same="y")) == First("d")
    assert firsts.of(shown("e", same="y")) == First("d")
    assert firsts.of(shown("d", same="y")) == First("d")


def test_looks_are_compared_only_where_that_is_asked():
    firsts = Firsts()
    assert firsts.of(shown("a", bits=0)) == First("a")
    assert firsts.of(shown("b", bits=0)) == First("b")
