"""Fragments that claim more samples than any file of their size could hold."""

from __future__ import annotations

import io
import time
from typing import Literal

import pytest

from operators.video.boxes import top_boxes
from operators.video.decode import decode_video
from operators.video.fragments import claimed_samples
from schemas.failure import FailureCode, ItemFailure
from schemas.job import VideoSampling
from tests.media import clips, odd_clips
from tests.operators.video.test_decode import numbers

FRAGMENTED = {
    "h264 fragmented": clips.CLIPS["h264 fragmented"],
    "h264 cmaf": odd_clips.ODD["h264 cmaf"],
    "h264 fragment a frame": odd_clips.ODD["h264 fragment a frame"],
}
BILLIONS = 0x7000_0000


@pytest.mark.parametrize("name", FRAGMENTED)
def test_samples_are_counted_over_all_fragments(name: str) -> None:
    data = clips.make(FRAGMENTED[name])
    assert claimed_samples(io.BytesIO(data), len(data)) == FRAGMENTED[name].frames


def test_a_file_without_fragments_claims_none() -> None:
    data = clips.make(clips.CLIPS["h264"])
    assert claimed_samples(io.BytesIO(data), len(data)) == 0


@pytest.mark.parametrize("damaged", ["fail", "use"])
def test_claims_of_billions_are_refused_at_once(damaged: Literal["fail", "use"]) -> None:
    data = bytearray(clips.make(FRAGMENTED["h264 fragmented"]))
    run = data.rindex(b"trun")
    data[run + 5 : run + 12] = bytes(3) + BILLIONS.to_bytes(4, "big")
    started = time.perf_counter()
    with pytest.raises(ItemFailure) as caught:
        decode_video(
            bytes(data), sampling=VideoSampling(damaged=damaged), max_frame_pixels=10**6
        )
    assert time.perf_counter() - started < 1
    assert caught.value.code is FailureCode.CORRUPT
    assert "1,879,048," in caught.value.message


@pytest.mark.parametrize("flags", ["frag_keyframe+empty_moov", "frag_keyframe+dash"])
def test_wherever_a_file_is_cut_the_fragments_before_are_used(flags: str) -> None:
    whole = clips.make(
        clips.Clip(options=clips.X264_B_FRAMES, frames=50, muxer={"movflags": flags})
    )
    boxes = [*top_boxes(io.BytesIO(whole), len(whole))]
    fragments = [one for one in boxes if one.kind == b"moof"]
    limit = fragments[2].start
    begin = max(one.end for one in boxes if one.kind == b"mdat" and one.end <= limit)
    sampling = VideoSampling(policy="fps", fps=25, max_frames=100, damaged="use")
    for end in range(begin + 1, fragments[2].end + 9, 3):
        told: list[ItemFailure] = []
        frames = decode_video(
            whole[:end], sampling=sampling, max_frame_pixels=10**6, note=told.append
        )
        assert numbers(frames) == [round(pts * 25) for pts in frames.pts_s]
        assert len(frames.shapes) >= 20
        assert all("shorter than its own headers say" in one.message for one in told[:1])
