"""Where frames go that damaged containers give in disorder."""

from __future__ import annotations

import av
import pytest

from operators.video.decode import decode_video
from operators.video.formats import Allowed
from operators.video.sink import FrameSink
from schemas.failure import FailureCode, ItemFailure
from schemas.job import VideoSampling
from tests.media import clips

TICKS = (80, 200, 240, 400, 560)

STREAM_AT_THE_END = (
    b"FLV\x01\x01\x00\x00\x00\t\x00\x00\x00\x00\x12\x00\x00\n\x00\x00$\x00\x00P\x00\x00\x00"
    b"\x00'\x01\x00\x00P\x00\x00\x00\x1bA\x9eBB\x15\xff}\xe5\xd8\x07*\x03\xff\xf1\x08\xcdy\x17"
    b"+D\xac\xads'\xbaw\x81\x00\x00\x00/\t\x00\x00\x1a\x00\x00x\x00\x00\x00\x00'\x01\x00\x00"
    b"\x00\x00\x00\x00\x11\x01\x9eaD+\xff\xf0\xd0\xa8l\xa0\xdfR\r\xcbH@\x00\x00\x00%\t\x00\x84"
    b"$@ 1k2"
)
"""A damaged FLV with words, whose last tag is cut off and of a stream of its own."""


def test_more_frames_than_were_to_come_are_thinned_to_as_many() -> None:
    sink = FrameSink(most=4, expected=4, max_pixels=10**6, aspect=None)
    for pts in TICKS:
        sink.want(pts)
        frame = av.VideoFrame.from_ndarray(clips.draw_number(pts % 256))
        frame.pts = pts
        sink.offer([frame])
        assert not sink.has_window
    window = sink.rest()
    assert len(window.pts) == len(window.shapes) == 4
    assert set(window.pts) < set(TICKS)
    assert window.until is None
    assert len(window.pixels) == 4 * 3 * clips.WIDTH * clips.HEIGHT


def test_words_are_not_looked_for_where_streams_come_late() -> None:
    with pytest.raises(ItemFailure) as caught:
        decode_video(
            STREAM_AT_THE_END,
            sampling=VideoSampling(),
            max_frame_pixels=10**6,
            allowed=Allowed(("flv",), ("h264",)),
        )
    assert caught.value.code is FailureCode.CORRUPT
    assert "its subtitles cannot be read" in caught.value.message
