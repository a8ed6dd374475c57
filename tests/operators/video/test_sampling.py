import itertools

from hypothesis import given
from hypothesis import strategies as st

from operators.video.sampling import spread, target_times
from schemas.job import VideoSampling

DURATIONS = st.floats(0.001, 36_000)
BUDGETS = st.integers(1, 1024)


@given(st.lists(st.integers(), max_size=300), BUDGETS)
def test_spread_takes_evenly_and_in_order(elements: list[int], count: int) -> None:
    places = spread(range(len(elements)), count)
    assert len(places) == min(len(elements), count)
    assert places == sorted(set(places))
    assert spread(elements, count) == [elements[place] for place in places]
    gaps = [b - a for a, b in itertools.pairwise(places)]
    assert not gaps or max(gaps) - min(gaps) <= 1


@given(DURATIONS, BUDGETS, st.none() | st.integers(1, 10_000))
def test_uniform_times_are_the_middles_of_equal_parts(duration_s, budget, frame_count) -> None:
    times = target_times(
        VideoSampling(policy="uniform", max_frames=budget),
        duration_s=duration_s,
        frame_count=frame_count,
        keyframe_times=(),
    )
    assert len(times) == min(budget, frame_count or budget)
    part = duration_s / len(times)
    assert all(abs(t - (i + 0.5) * part) < 1e-6 * duration_s for i, t in enumerate(times))


@given(DURATIONS, BUDGETS, st.floats(0.01, 60))
def test_fps_times_are_ticks_within_the_video_and_the_budget(duration_s, budget, fps) -> None:
    times = target_times(
        VideoSampling(policy="fps", max_frames=budget, fps=fps),
        duration_s=duration_s,
        frame_count=None,
        keyframe_times=(),
    )
    assert 1 <= len(times) <= budget
    assert times == sorted(set(times))
    assert all(0 <= t < duration_s or t == 0 for t in times)
    assert all(abs(t * fps - round(t * fps)) < 1e-6 * max(1, t * fps) for t in times)
    if duration_s * fps < budget:
        assert len(times) in (int(duration_s * fps), int(duration_s * fps) + 1)


@given(st.lists(st.floats(0, 1000), max_size=200, unique=True).map(sorted), BUDGETS)
def test_keyframes_are_only_keyframes(keyframe_times, budget) -> None:
    times = target_times(
        VideoSampling(policy="keyframes", max_frames=budget),
        duration_s=1000,
        frame_count=None,
        keyframe_times=keyframe_times,
    )
    assert len(times) == min(budget, len(keyframe_times))
    assert set(times) <= set(keyframe_times)
