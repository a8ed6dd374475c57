"""Sampling policies: which moments of a video are looked at. Pure; no video in sight."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TypeVar

from schemas.job import VideoSampling

Element = TypeVar("Element")

ROUNDING_S = 0.0005
"""Containers that count milliseconds put a frame this much before or after its time."""


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


def dense_times(
    duration_s: float, frame_count: int | None, from_s: float, to_s: float | None, count: int
) -> list[float]:
    """The middles of equal parts of a stretch of a video; none if it lies past the end.

    Args:
        duration_s: Length of the video, seconds.
        frame_count: Its frames, if known; no more parts than the stretch has frames.
        from_s: Where the stretch begins, seconds.
        to_s: Where it ends; None for the video's end.
        count: Most parts.
    """
    length = min(duration_s, math.inf if to_s is None else to_s) - from_s
    if length <= 0:
        return []
    if frame_count is not None:
        count = min(count, max(1, round(frame_count * length / duration_s)))
    return [from_s + time for time in uniform_times(length, count)]


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
        sampling: Policy and budget; not shots or adaptive, which go by what is to be seen.
        duration_s: Length of the video, seconds.
        frame_count: Its frames, if known; no more moments than frames are chosen.
        keyframe_times: Presentation times of its keyframes, ascending, seconds; looked at
            by the policy keyframes only.
        windows: How many times ``sampling.max_frames`` there may be, with the policies fps and
            keyframes; the others never want more than once.

    Returns:
        Ascending times in seconds from the start of the video; none if those that were asked
        for are past its end.

    Raises:
        ValueError: If the policy is another.
    """
    match sampling.policy:
        case "keyframes":
            return spread(keyframe_times, sampling.max_frames * windows)
        case "fps":
            return fps_times(duration_s, sampling.fps, sampling.max_frames * windows)
        case "times":
            given = sorted(set(sampling.times_s))
            return spread([time for time in given if time < duration_s], sampling.max_frames)
        case "dense":
            return dense_times(
                duration_s, frame_count, sampling.from_s, sampling.to_s, sampling.max_frames
            )
        case "uniform":
            known = sampling.max_frames if frame_count is None else max(1, frame_count)
            return uniform_times(duration_s, min(sampling.max_frames, known))
    raise ValueError(f"the policy {sampling.policy} goes by what is to be seen")
