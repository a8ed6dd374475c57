"""Which frames show what changes in a video, from a look at the whole of it. Pure."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from itertools import accumulate, pairwise

from operators.video.sampling import spread
from operators.video.windows import least_cut

PROBE_GAP_S = 2.0
"""What is seen for as long as this is looked at once at least."""

MOST_PROBES = 8192
"""Of one video; a longer one than four and a half hours is looked at less often."""

STILL_SHARE = 0.25
"""Of the frames of the policy adaptive: they go by time, however little changes."""


def probe_times(duration_s: float, keyframe_times: Sequence[float]) -> list[float]:
    """When to look at a video in order to know what it shows: at keyframes, and between.

    Args:
        duration_s: Length of the video, seconds.
        keyframe_times: When its keyframes are shown, ascending, seconds.

    Returns:
        Ascending seconds, the first of them 0; no more than `PROBE_GAP_S` lie between two,
        unless that were more than `MOST_PROBES`.
    """
    gap = max(PROBE_GAP_S, duration_s / MOST_PROBES)
    inside = [0.0, *(time for time in keyframe_times if 0 < time < duration_s)]
    times: list[float] = []
    for start, end in pairwise([*inside, duration_s]):
        parts = max(1, -int(-(end - start) // gap))
        times += [start + (end - start) * part / parts for part in range(parts)]
    return spread(times, MOST_PROBES)


def times_by_shots(
    probes: Sequence[float], changes: Sequence[float], frames_a_shot: int, most: int
) -> list[float]:
    """Some of the probes of each shot, evenly spread over it.

    Args:
        probes: When the video was looked at, ascending, seconds; at least one.
        changes: From each probe to the next, levels of 0 to 255.
        frames_a_shot: Of each shot; fewer where there is no room for so many.
        most: In all. Of more shots than that, some are left out evenly.

    Returns:
        Ascending, out of `probes`: what was seen there is known to be in its shot.
    """
    shots, bar = [[probes[0]]], least_cut(changes)
    for time, change in zip(probes[1:], changes, strict=True):
        if change >= bar:
            shots.append([])
        shots[-1].append(time)
    chosen = spread(shots, most)
    each = max(1, min(frames_a_shot, most // len(chosen)))
    return [time for shot in chosen for time in spread(shot, each)]


def times_by_change(
    probes: Sequence[float], changes: Sequence[float], most: int
) -> list[float]:
    """Probes between which the picture changes by about as much each time.

    The changes are summed up over time, `STILL_SHARE` of the sum coming evenly, and the sum is
    cut into equal parts; of each the probe in its middle is taken.

    Args:
        probes: See `times_by_shots`.
        changes: Likewise.
        most: In all; fewer where that would take a probe twice.
    """
    # What lies between two probes counts half for each: it may be the last of one thing or the
    # first of another.
    beside = [*changes[:1], *changes, *changes[-1:]] or [0.0, 0.0]
    new = [(before + after) / 2 for before, after in pairwise(beside)]
    even = STILL_SHARE / (1 - STILL_SHARE) * sum(new) / len(new) or 1.0
    sums = list(accumulate(one + even for one in new))
    middles = [sums[-1] * (2 * part + 1) / (2 * most) for part in range(most)]
    numbers = {min(bisect_left(sums, middle), len(probes) - 1) for middle in middles}
    return [probes[number] for number in sorted(numbers)]
