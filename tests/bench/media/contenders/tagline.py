"""Tagline's own decoders, called as its decode stage calls them."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from operators.images import decode_image
from operators.video.decode import decode_video
from schemas.job import VideoSampling
from schemas.media import Frames
from tests.bench.media.contenders.protocol import run_contender
from tests.bench.media.tasks import Case

MOST_SOURCE_PIXELS = 300_000_000
SNAP_S = 1.0
"""No keyframe of a video of 25 frames a second and 48 to a group is farther from a moment."""


def exact(case: Case) -> np.ndarray:
    """The frames on screen at evenly spread moments."""
    return _video(case, VideoSampling(max_frames=len(case.frames)))


def snapped(case: Case) -> np.ndarray:
    """The keyframes near such moments."""
    return _video(case, VideoSampling(max_frames=len(case.frames), snap_s=SNAP_S))


def image(case: Case) -> np.ndarray:
    """One image."""
    data = Path(case.path).read_bytes()
    return _pixels(
        decode_image(
            data, max_pixels=case.width * case.height, max_source_pixels=MOST_SOURCE_PIXELS
        )
    )


def _video(case: Case, sampling: VideoSampling) -> np.ndarray:
    with open(case.path, "rb") as file:
        return _pixels(
            decode_video(file, sampling=sampling, max_frame_pixels=case.width * case.height)
        )


def _pixels(frames: Frames) -> np.ndarray:
    return np.frombuffer(frames.pixels, np.uint8).reshape(-1, *frames.shapes[0], 3)


if __name__ == "__main__":
    run_contender({"exact": exact, "snapped": snapped, "image": image})
