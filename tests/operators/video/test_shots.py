from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from operators.video.shots import (
    MOST_PROBES,
    PROBE_GAP_S,
    probe_times,
    times_by_change,
    times_by_shots,
)

TIMES = st.lists(st.floats(0, 300), max_size=30, unique=True).map(sorted)


@given(st.floats(0.04, 400), TIMES)
def test_a_video_is_looked_at_often_enough_and_at_its_keyframes(duration_s, keyframes) -> None:
    times = probe_times(duration_s, keyframes)
    assert times[0] == 0
    assert sorted(set(times)) == times
    assert {time for time in keyframes if time < duration_s} <= set(times)
    assert all(b - a <= PROBE_GAP_S + 1e-6 for a, b in pairwise([*times, duration_s]))


def test_a_very_long_video_is_looked_at_less_often() -> None:
    assert len(probe_times(12 * 3600, [])) <= MOST_PROBES
    assert (
        len(probe_times(12 * 3600, [second / 10 for second in range(432_000)])) == MOST_PROBES
    )


LOOKS = st.lists(st.floats(0, 255), min_size=0, max_size=40)


@given(LOOKS, st.integers(1, 5), st.integers(1, 12))
def test_frames_of_shots_are_probes_within_the_budget(changes, frames_a_shot, most) -> None:
    probes = [float(number) for number in range(len(changes) + 1)]
    times = times_by_shots(probes, changes, frames_a_shot, most)
    assert sorted(set(times)) == times
    assert set(times) <= set(probes)
    assert 1 <= len(times) <= most


@pytest.mark.parametrize(
    ("frames_a_shot", "most", "expected"),
    [(1, 8, [1, 3, 6]), (2, 8, [0, 2, 3, 5, 7]), (2, 3, [1, 3, 6]), (1, 2, [1, 6])],
)
def test_each_shot_has_its_frames(frames_a_shot, most, expected) -> None:
    changes = [1, 2, 90, 80, 1, 1, 2]
    times = times_by_shots(range(8), changes, frames_a_shot, most)
    assert times == expected


def test_where_every_look_is_another_shot_each_has_its_frame() -> None:
    assert times_by_shots(range(6), [70.0] * 5, 1, 8) == list(range(6))


@given(LOOKS, st.integers(1, 12))
def test_frames_by_change_are_probes_within_the_budget(changes, most) -> None:
    probes = [float(number) for number in range(len(changes) + 1)]
    times = times_by_change(probes, changes, most)
    assert sorted(set(times)) == times
    assert set(times) <= set(probes)
    assert 1 <= len(times) <= most


def test_where_more_changes_there_are_more_frames() -> None:
    changes = [0.5] * 50 + [20.0] * 10 + [0.5] * 40
    times = times_by_change(range(101), changes, 12)
    assert sum(50 <= time <= 61 for time in times) >= 6
    assert any(time < 50 for time in times)
    assert any(time > 61 for time in times)


def test_what_never_changes_is_looked_at_evenly() -> None:
    assert times_by_change(range(9), [0.0] * 8, 4) == [1, 3, 5, 7]


@pytest.mark.parametrize("begin", range(0, 298, 7))
def test_what_is_to_be_seen_for_two_seconds_is_found(begin: int) -> None:
    """In five minutes, whenever it begins: the picture changes when it comes and goes."""
    probes = probe_times(300.0, [])
    shown = [begin <= time < begin + 2 for time in probes]
    changes = [60.0 if a != b else 0.8 for a, b in pairwise(shown)]
    for times in (times_by_shots(probes, changes, 1, 8), times_by_change(probes, changes, 8)):
        assert any(begin <= time < begin + 2 for time in times)
