"""A video of twelve hours: what is read, held and shown of it is bounded and exact."""

from __future__ import annotations

import functools
import tracemalloc

import pytest

from operators.video.decode import decode_long_video, decode_video
from schemas.job import VideoSampling
from tests.media import clips
from tests.media.clips import HEIGHT, WIDTH, Clip
from tests.operators.video.test_decode import numbers

FRAMES, GAP_S, GOP = 2160, 20, 30
FRAME_BYTES = WIDTH * HEIGHT * 3


@functools.cache
def half_day(container: str) -> bytes:
    """A frame every twenty seconds; their numbers count from 0 again after 255."""
    return clips.make(
        Clip(
            container,
            options={"x264-params": "bframes=2:scenecut=0", "preset": "ultrafast"},
            frames=FRAMES,
            fps=1,
            gop=GOP,
            pts=tuple(range(0, FRAMES * GAP_S, GAP_S)),
        )
    )


@pytest.mark.parametrize(("container", "is_indexed"), [("mp4", True), ("mpegts", False)])
def test_few_frames_of_many_hours(container: str, is_indexed: bool) -> None:
    packets = 0

    def count() -> None:
        nonlocal packets
        packets += 1

    made = half_day(container)
    tracemalloc.start()
    frames = decode_video(
        made,
        sampling=VideoSampling(max_frames=32),
        max_frame_pixels=10**6,
        check_time=count,
    )
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    # In MP4 the last frame lasts as long as the header says: one second.
    duration_s = FRAMES * GAP_S - (GAP_S - 1 if is_indexed else 0)
    assert frames.duration_s == pytest.approx(duration_s)
    middles = [int(duration_s * (2 * n + 1) / (64 * GAP_S)) for n in range(32)]
    assert numbers(frames) == [number % 256 for number in middles]
    assert frames.pts_s == pytest.approx([number * GAP_S for number in middles], abs=0.0011)
    # With an index, the groups of wanted frames; else every packet once, and those again.
    assert packets < 2 * 32 * (GOP + 6) + (0 if is_indexed else 2 * FRAMES)
    assert peak < 32 * FRAME_BYTES + (4 << 20)


def test_windows_of_many_hours_are_held_one_at_a_time() -> None:
    most, seen = 32, []
    made = half_day("mp4")
    tracemalloc.start()
    for frames, part in decode_long_video(
        made,
        sampling=VideoSampling(policy="fps", fps=0.05, max_frames=most, max_windows=200),
        max_frame_pixels=10**6,
        overview=False,
    ):
        assert part is not None
        if part.is_window:
            assert len(frames.shapes) <= most
            seen += zip(numbers(frames), frames.pts_s, strict=True)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert [number for number, _ in seen] == [number % 256 for number in range(FRAMES)]
    assert [pts for _, pts in seen] == pytest.approx([n * GAP_S for n in range(FRAMES)])
    assert peak < 4 * most * FRAME_BYTES + (4 << 20)
