"""Every sampling policy on real videos, whose frames bear their numbers."""

from __future__ import annotations

import io
from itertools import pairwise

import av
import numpy as np
import pytest

from operators.video.decode import decode_video
from schemas.failure import FailureCode, ItemFailure
from schemas.job import VideoSampling
from schemas.media import Frames
from tests.media.clips import CLIPS, make, read_number

INDEXED, SCANNED, ENDS_GOP, FPS = "h264", "h264 ts", 12, 25


def decoded(data: bytes, **settings: object) -> Frames:
    sampling = VideoSampling.model_validate(settings)
    return decode_video(data, sampling=sampling, max_frame_pixels=20_000)


def numbers(frames: Frames) -> list[int]:
    return [read_number(picture) for picture in pictures(frames)]


def pictures(frames: Frames) -> list[np.ndarray]:
    return [
        np.frombuffer(frames.pixels, np.uint8, height * width * 3, start).reshape(
            height, width, 3
        )
        for (height, width), start in zip(frames.shapes, frames.offsets(), strict=True)
    ]


@pytest.fixture(scope="module", params=[INDEXED, SCANNED])
def clip(request) -> bytes:
    return make(CLIPS[request.param])


def test_given_times_give_the_frames_on_screen_then(clip: bytes) -> None:
    frames = decoded(clip, policy="times", times_s=[2.0, 0.5, 1.03, 1.05, 77.0])
    assert numbers(frames) == [12, 25, 26, 50]
    assert frames.requested_s == (0.5, 1.03, 1.05, 2.0)


def test_more_times_than_frames_may_be_are_thinned(clip: bytes) -> None:
    frames = decoded(clip, policy="times", times_s=[0.1, 0.5, 0.9, 1.3], max_frames=2)
    assert numbers(frames) == [12, 32]


@pytest.mark.parametrize(
    "settings", [{"policy": "times", "times_s": [77.0]}, {"policy": "dense", "from_s": 60.0}]
)
def test_moments_past_the_end_are_a_failure_that_says_so(clip: bytes, settings) -> None:
    with pytest.raises(ItemFailure) as told:
        decoded(clip, **settings)
    assert told.value.code is FailureCode.NO_FRAMES
    assert "4.000 s" in told.value.message


def test_a_stretch_is_looked_at_densely(clip: bytes) -> None:
    frames = decoded(clip, policy="dense", from_s=1.0, to_s=1.4, max_frames=100)
    assert numbers(frames) == list(range(25, 35))
    assert numbers(decoded(clip, policy="dense", from_s=3.0, max_frames=5)) == [
        77,
        82,
        87,
        92,
        97,
    ]


@pytest.mark.parametrize("name", CLIPS)
def test_a_keyframe_is_taken_where_one_is_near_enough(name: str) -> None:
    data = make(CLIPS[name])
    keys = decoded(data, policy="keyframes", max_frames=1024)
    key_pts = dict(zip(keys.pts_s, numbers(keys), strict=True))
    exact = decoded(data, policy="uniform", max_frames=7)
    frames = decoded(data, policy="uniform", max_frames=7, snap_s=0.1)
    assert set(frames.requested_s) <= set(exact.requested_s)
    for pts, moment, number in zip(
        frames.pts_s, frames.requested_s, numbers(frames), strict=True
    ):
        # A tick may be a whole frame, by which moments are rounded down.
        nearest = min(abs(key - moment) for key in key_pts)
        if number in key_pts.values() and abs(pts - moment) > 0.04:
            assert abs(pts - moment) <= min(nearest, 0.1) + 0.04
        else:
            assert nearest > 0.1 - 0.04 or abs(pts - moment) <= 0.04
            at = exact.requested_s.index(moment)
            assert number in (numbers(exact)[at], key_pts.get(pts))
    taken = decoded(data, policy="uniform", max_frames=7, snap_s=60.0)
    assert set(numbers(taken)) <= set(key_pts.values())


@pytest.mark.parametrize("name", CLIPS)
def test_the_moments_that_were_asked_for_come_with_the_frames(name: str) -> None:
    frames = decoded(make(CLIPS[name]), policy="uniform", max_frames=9)
    assert len(frames.requested_s) == len(frames.pts_s)
    assert list(frames.requested_s) == sorted(set(frames.requested_s))
    following = [*frames.pts_s[1:], frames.duration_s or 0.0]
    for pts, moment, later in zip(frames.pts_s, frames.requested_s, following, strict=True):
        assert pts - 0.001 <= moment < later


def coloured(colours: list[tuple[int, int, int]], gop: int, container: str = "mp4") -> bytes:
    """A video of one colour a second; with slight noise, for real ones are never still."""
    file, rng = io.BytesIO(), np.random.default_rng(3)
    options = {"preset": "veryfast", "x264-params": "scenecut=0"}
    with av.open(file, "w", format=container) as made:
        stream = made.add_stream("libx264", rate=10, options=options)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        stream.codec_context.gop_size = gop
        for number in range(10 * len(colours)):
            noise = rng.integers(0, 6, (48, 64, 3))
            pixels = (np.array(colours[number // 10]) + noise).astype(np.uint8)
            frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
            frame.pts = number
            made.mux(stream.encode(frame))
        made.mux(stream.encode(None))
    return file.getvalue()


GREY, RED, BLUE = (120, 120, 120), (200, 30, 30), (30, 30, 200)


def colours_of(frames: Frames) -> list[str]:
    return [
        "".join("rgb"[i] for i in np.argsort(-p.mean((0, 1)))[:1])
        if np.ptp(p.mean((0, 1))) > 40
        else "grey"
        for p in pictures(frames)
    ]


@pytest.mark.parametrize(
    ("begin", "gop", "container"),
    [(0, 250, "mpegts"), (61, 10, "mp4"), (61, 250, "mp4"), (298, 10, "mpegts")],
)
def test_what_is_to_be_seen_for_two_seconds_of_five_minutes_is_found(
    begin: int, gop: int, container: str
) -> None:
    seconds = [GREY] * 300
    seconds[begin : begin + 2] = [RED, RED]
    data = coloured(seconds, gop, container)
    by_shots = decoded(data, policy="shots", max_frames=8)
    assert colours_of(by_shots).count("r") == 1
    assert len(by_shots.shapes) == (2 if begin in (0, 298) else 3)
    assert "r" in colours_of(decoded(data, policy="adaptive", max_frames=8))
    assert "r" not in colours_of(decoded(data, policy="uniform", max_frames=8))


def test_each_shot_has_as_many_frames_as_there_is_room_for() -> None:
    data = coloured([RED] * 8 + [BLUE] * 4 + [GREY] * 8, 10)
    assert colours_of(decoded(data, policy="shots", max_frames=9)) == ["r", "b", "grey"]
    three = decoded(data, policy="shots", max_frames=9, frames_a_shot=3)
    assert colours_of(three) == ["r"] * 3 + ["b"] * 3 + ["grey"] * 3
    assert len(decoded(data, policy="shots", max_frames=2, frames_a_shot=3).shapes) == 2


def test_where_the_picture_changes_there_are_more_frames() -> None:
    data = coloured([GREY] * 20 + [RED, BLUE] * 5 + [GREY] * 20, 10)
    times = decoded(data, policy="adaptive", max_frames=12).pts_s
    assert sum(19.5 <= time <= 31 for time in times) >= 6
    assert times[0] < 19 < 32 < times[-1]
    assert all(a < b for a, b in pairwise(times))
