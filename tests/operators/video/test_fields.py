"""Interlaced video: each frame is shown as one moment, without combs."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from operators.video.decode import decode_video
from schemas.job import VideoSampling
from schemas.media import Frames
from tests.media import clips
from tests.media.clips import Clip
from tests.operators.video.test_decode import numbers

ODD = {"flags": "+ildct+ilme"}
INTERLACED = {
    "h264": Clip(options={**ODD, "x264-params": "tff=1:bframes=2:qp=8"}),
    "h264 lower field first": Clip(options={**ODD, "x264-params": "bff=1:bframes=2:qp=8"}),
    "h264 422 10 bit": Clip(
        "mpegts", options={**ODD, "x264-params": "tff=1:qp=8"}, pix_fmt="yuv422p10le"
    ),
    "mpeg2": Clip("mpegts", "mpeg2video", {**ODD, "b": "20000000", "bf": "2"}),
    "mpeg4": Clip("avi", "mpeg4", {**ODD, "b": "20000000"}),
    "prores": Clip("mov", "prores_ks", ODD, pix_fmt="yuv422p10le"),
}


def woven(number: int) -> np.ndarray:
    """A frame whose lower field says the opposite of its upper one."""
    picture = clips.draw_number(number).copy()
    picture[1::2] = 250 - picture[1::2]
    return picture


def decoded(clip: Clip, max_frame_pixels: int = 10**6) -> Frames:
    return decode_video(
        clips.make(clip, woven),
        sampling=VideoSampling(policy="fps", fps=5, max_frames=100),
        max_frame_pixels=max_frame_pixels,
    )


def comb(frames: Frames) -> float:
    """How far rows that follow one another are apart inside of blocks, levels."""
    pixels = np.frombuffer(frames.pixels, np.uint8)
    pictures = pixels.reshape(len(frames.shapes), *frames.shapes[0], 3).astype(int)
    height, width = frames.shapes[0]
    rows = np.r_[height // 8 : 3 * height // 8, 5 * height // 8 : 7 * height // 8]
    columns = [width * (2 * x + 1) // 8 for x in range(4)]
    middle = pictures[:, :, columns]
    return float(np.abs(middle[:, rows] - middle[:, rows + 1]).mean())


@pytest.mark.parametrize("name", INTERLACED)
@pytest.mark.parametrize("max_frame_pixels", [10**6, 5000, 800])
def test_one_moment_is_shown(name: str, max_frame_pixels: int) -> None:
    frames = decoded(INTERLACED[name], max_frame_pixels)
    assert numbers(frames) == list(range(0, 100, 5))
    assert comb(frames) < 6
    assert (frames.source_width, frames.source_height) == (clips.WIDTH, clips.HEIGHT)


def test_what_is_not_marked_as_interlaced_is_left_as_it_is() -> None:
    """And what the test above would find if fields were not taken apart."""
    progressive = Clip(options={"x264-params": "bframes=2:qp=8"})
    assert comb(decoded(progressive)) > 100


def test_rows_of_one_field_are_those_of_the_frame() -> None:
    still = Clip(options={**ODD, "x264-params": "tff=1:qp=8"}, frames=5)
    frames = decode_video(
        clips.make(still), sampling=VideoSampling(max_frames=5), max_frame_pixels=10**6
    )
    assert numbers(frames) == list(range(5))
    assert frames.shapes == ((clips.HEIGHT, clips.WIDTH),) * 5


@pytest.mark.parametrize(("aspect", "size"), [(0, (128, 64)), (Fraction(1, 2), (64, 32))])
def test_fields_that_are_coded_one_by_one_are_as_high_as_frames(aspect, size) -> None:
    """As HEVC has them: a stream of fields, each of which is a picture by itself."""
    params = "interlace=tff:bframes=2:keyint=12:log-level=error:pools=1:qp=8"
    separate = Clip(
        codec="libx265",
        options={"x265-params": params, "preset": "ultrafast"},
        frames=50,
        fps=50,
        size=(clips.WIDTH, clips.HEIGHT // 2),
        aspect=Fraction(aspect),
    )
    data = clips.make(separate, lambda number: clips.draw_number(number // 2)[number % 2 :: 2])
    frames = decode_video(data, sampling=VideoSampling(max_frames=5), max_frame_pixels=10**6)
    assert numbers(frames) == [2, 7, 12, 17, 22]
    assert (frames.source_width, frames.source_height) == size
    assert set(frames.shapes) == {size[::-1]}
