"""Who takes part in what, and by which of its ways."""

from __future__ import annotations

from dataclasses import dataclass

from tests.bench.media.environments import DECORD, DECORD2, PEERS, TAGLINE, TORCHCODEC


@dataclass(frozen=True)
class Contender:
    """One way of doing the work.

    Attributes:
        name: In the report.
        environment: Of `environments`.
        module: Of `contenders`.
        way: One of the module's.
    """

    name: str
    environment: str
    module: str
    way: str


OURS = "Tagline"

FLOOR = "libavcodec alone, told the packets"
"""No peer, but what nobody who decodes with libavcodec can go below."""

EXACT = (
    Contender(OURS, TAGLINE, "tagline", "exact"),
    Contender("torchcodec, exact", TORCHCODEC, "torchcodec", "exact"),
    Contender("torchcodec, approximate", TORCHCODEC, "torchcodec", "approximate"),
    Contender("decord", DECORD, "decord", "exact"),
    Contender("decord2", DECORD2, "decord", "exact"),
    Contender("OpenCV, seek", PEERS, "opencv", "seek"),
    Contender("PyAV, seek and decode", TAGLINE, "pyav", "seek"),
    Contender("ffmpeg, one pass", PEERS, "ffmpeg", "one_pass"),
    Contender("ffmpeg, one command a frame", PEERS, "ffmpeg", "seek"),
)

CHECKED = (*EXACT, Contender("OpenCV, grab all", PEERS, "opencv", "grab"))
"""Decoding everything costs OpenCV what it costs ffmpeg; only its frames are looked at."""

PRIVATE = "torchcodec, private indices"
"""The method that lists the keyframes is no part of its interface."""

SNAPPED = (
    Contender(OURS, TAGLINE, "tagline", "snapped"),
    Contender(FLOOR, TAGLINE, "pyav", "told_the_packets"),
    Contender(PRIVATE, TORCHCODEC, "torchcodec", "keyframes"),
    Contender("decord, key indices", DECORD, "decord", "keyframes"),
    Contender("decord2, key indices", DECORD2, "decord", "keyframes"),
    Contender("OpenCV, told the keyframes", PEERS, "opencv", "keyframes"),
    Contender("PyAV, seek and NONKEY", TAGLINE, "pyav", "keyframe_before"),
    Contender("PyAV, one pass and NONKEY", TAGLINE, "pyav", "all_keyframes"),
    Contender("ffmpeg, one pass and nokey", PEERS, "ffmpeg", "one_pass_of_keyframes"),
    Contender("ffmpeg, one command a frame", PEERS, "ffmpeg", "seek_keyframes"),
)

PILLOW = "Pillow, whole and Lanczos"

IMAGES = (
    Contender(OURS, TAGLINE, "tagline", "image"),
    Contender(PILLOW, TAGLINE, "pillow", "image"),
    Contender("Pillow, thumbnail()", TAGLINE, "pillow", "thumbnail"),
    Contender("pyvips, thumbnail()", PEERS, "vips", "image"),
    Contender("OpenCV, reduced and area", PEERS, "opencv", "image"),
    Contender("simplejpeg, scaled and area", PEERS, "simplejpeg", "image"),
)

THREADED = Contender("Tagline, frame threads", TAGLINE, "tagline_threads", "exact")
