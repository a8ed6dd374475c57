"""From a job's sampling policy to a video's moments."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from operators.arrays import frame_arrays
from operators.video.reader import PacketReader
from operators.video.sampled import Known, Sampler
from operators.video.sampling import target_times
from operators.video.shots import probe_times, times_by_change, times_by_shots
from operators.video.windows import block_means, change
from schemas.job import VideoSampling

PROBE_PIXELS = 96 * 54
"""Of a frame that is only looked at."""

_PROBES_AT_ONCE = 64


def sampler_of(
    reader: PacketReader, sampling: VideoSampling, max_frame_pixels: int, windows: int = 1
) -> Sampler:
    """A sampler that decodes what a policy wants.

    Args:
        reader: The video.
        sampling: The policy.
        max_frame_pixels: Most pixels of each frame.
        windows: How many windows of ``sampling.max_frames`` there may be, nearly.
    """
    within_s = sampling.snap_s or (0.0 if sampling.policy == "keyframes" else None)

    def choose(known: Known) -> list[float]:
        if sampling.policy in ("shots", "adaptive"):
            return _seen(reader, sampling, known)
        return target_times(
            sampling,
            duration_s=known.duration_s,
            frame_count=known.frame_count,
            keyframe_times=known.keyframe_times,
            windows=windows,
        )

    return Sampler(reader, choose, sampling.max_frames, max_frame_pixels, within_s)


def _seen(reader: PacketReader, sampling: VideoSampling, known: Known) -> list[float]:
    """The moments that are wanted because of what is to be seen then."""
    probes, changes = _look(reader, known)
    if sampling.policy == "shots":
        return times_by_shots(probes, changes, sampling.frames_a_shot, sampling.max_frames)
    return times_by_change(probes, changes, sampling.max_frames)


def _look(reader: PacketReader, known: Known) -> tuple[list[float], list[float]]:
    """When the frames are shown that tell what is in a video, and how much each changes it."""
    times = probe_times(known.duration_s, known.keyframe_times)
    sampler = Sampler(reader, lambda _: times, _PROBES_AT_ONCE, PROBE_PIXELS, within_s=0.0)
    shown: list[float] = []
    means: list[np.ndarray] = []
    for window in sampler.decode():
        shown += [sampler.seconds(pts) for pts in window.pts]
        means += [block_means(one) for one in frame_arrays(window.pixels, window.shapes)]
    return shown, [change(before, after) for before, after in pairwise(means)]
