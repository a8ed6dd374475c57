"""Sampling policies: which moments of a video are looked at. Pure; no video in sight."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

from schemas.job import VideoSampling

Element = TypeVar("Element")


def spread(elements: Sequence[Element], count: int) -> list[Element]:
    """At most `count` of the elements, evenly spread: the middle one of each equal part."""
    if len(elements) <= count:
        return list(elements)
    return [elements[(2 * i + 1) * len(elements) // (2 * count)] for i in range(count)]


def uniform_times(duration_s: float, count: int) -> list[float]:
    """The middles of `count` equal parts of a video, in seconds from its start."""
    return [duration_s * (2 * i + 1) / (2 * count) for i in range(count)]


def fps_times(duration_s: float, fps: float, max_frames: int) -> list[float]:
    """Every ``1 / fps`` seconds from the start, thinned evenly to `max_frames`.

    At least one: the first frame, however short the video.
    """
    ticks = max(1, -int(-duration_s * fps // 1))
    return [tick / fps for tick in spread(range(ticks), max_frames)]


def target_times(
    sampling: VideoSampling,
    *,
    duration_s: float,
    frame_count: int | None,
    keyframe_times: Sequence[float],
    windows: int = 1,
) -> list[float]:
    """The moments whose frames the policy wants.

    The frame of a moment is the one on screen then: the last that began no later.

    Args:
        sampling: Policy and budget.
        duration_s: Length of the video, seconds.
        frame_count: Its frames, if known; no more moments than frames are chosen.
        keyframe_times: Presentation times of its keyframes, ascending, seconds; looked at
            by the policy keyframes only.
        windows: How many times ``sampling.max_frames`` there may be; the policy uniform
            never wants more than once.

    Returns:
        Ascending times in seconds from the start of the video.
    """
    if sampling.policy == "keyframes":
        return spread(keyframe_times, sampling.max_frames * windows)
    if sampling.policy == "fps":
        return fps_times(duration_s, sampling.fps, sampling.max_frames * windows)
    known = sampling.max_frames if frame_count is None else max(1, frame_count)
    return uniform_times(duration_s, min(sampling.max_frames, known))
