"""Videos of which only what is needed is fetched."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import av
import numpy as np
import pytest

from operators.storage.base import changed
from operators.storage.ranged import RangedFile
from operators.video.decode import decode_video
from operators.video.ranges import (
    KEYFRAME_BYTES,
    KEYFRAME_S,
    ByteIndex,
    byte_index,
    fetch_index,
    spans_of_groups,
    spans_of_keyframes,
    up_to_the_next,
)
from schemas.failure import FailureCode, ItemFailure, Stage
from schemas.job import VideoSampling
from schemas.media import Frames
from tests.media.clips import CLIPS, X264_B_FRAMES, make

HEAD = 2000
"""Bytes that are there when a file is opened; few, for these files are small."""


@pytest.fixture(scope="module")
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(8) as threads:
        yield threads


def opened(
    data: bytes, pool: ThreadPoolExecutor, note: Callable[[], None] = lambda: None
) -> RangedFile:
    def fetch(at: int, size: int) -> bytes:
        note()
        return data[at : at + size]

    file = RangedFile(fetch, len(data), pool, data[:HEAD])
    fetch_index(file)
    return file


def decoded(source: bytes | RangedFile, policy: str, most: int) -> Frames:
    sampling = VideoSampling.model_validate({"policy": policy, "max_frames": most})
    return decode_video(source, sampling=sampling, max_frame_pixels=10_000)


@pytest.mark.parametrize("policy", ["uniform", "keyframes"])
@pytest.mark.parametrize("name", CLIPS)
def test_a_remote_file_decodes_as_its_bytes_do(
    name: str, policy: str, pool, monkeypatch
) -> None:
    monkeypatch.setattr("operators.storage.ranged.BLOCK_BYTES", 1024)
    monkeypatch.setattr("operators.storage.ranged.GAP_BYTES", 512)
    data = make(CLIPS[name])
    with opened(data, pool) as file:
        assert decoded(file, policy, 5) == decoded(data, policy, 5)
        assert file.fetched <= len(data)


def noise(path: Path, container: str, muxer: dict[str, str]) -> bytes:
    """Two megabytes of 250 frames of noise, ten to a group."""
    rng = np.random.default_rng(1)
    with av.open(str(path), "w", format=container, options=muxer) as made:
        stream = made.add_stream("libx264", rate=25, options={"qp": "20", **X264_B_FRAMES})
        stream.width, stream.height, stream.pix_fmt = 128, 64, "yuv420p"
        stream.codec_context.gop_size = 10
        for number in range(250):
            pixels = rng.integers(0, 256, (64, 128, 3), dtype=np.uint8)
            frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
            frame.pts = number
            made.mux(stream.encode(frame))
        made.mux(stream.encode(None))
    return path.read_bytes()


@pytest.mark.parametrize(
    ("container", "muxer"),
    [("mp4", {"movflags": "faststart"}), ("mp4", {}), ("matroska", {})],
)
def test_of_a_long_file_only_what_is_needed_is_fetched(
    container, muxer, pool, tmp_path
) -> None:
    data = noise(tmp_path / "noise", container, muxer)
    for policy, requests in (("keyframes", 8), ("uniform", 12)):
        with opened(data, pool) as file:
            assert decoded(file, policy, 3) == decoded(data, policy, 3)
            assert file.fetched < len(data) / 2
            assert file.requests <= requests


@pytest.mark.parametrize(
    ("container", "muxer"),
    [
        ("mpegts", {}),
        ("matroska", {"live": "1"}),
        ("mp4", {"movflags": "frag_keyframe+empty_moov+skip_trailer"}),
    ],
)
def test_what_has_no_index_is_fetched_whole_at_once(container, muxer, pool, tmp_path) -> None:
    data = noise(tmp_path / "noise", container, muxer)
    with opened(data, pool) as file:
        assert decoded(file, "uniform", 3) == decoded(data, "uniform", 3)
        assert file.fetched == len(data)
        assert file.requests <= 4


@pytest.mark.parametrize(
    "flags",
    [
        "frag_keyframe+empty_moov",
        "frag_keyframe",
        "frag_keyframe+empty_moov+dash",
        "frag_keyframe+empty_moov+dash+global_sidx",
    ],
)
def test_of_fragments_the_headers_are_fetched_many_at_once(
    flags, pool, tmp_path, monkeypatch
) -> None:
    for name, least in (("GAP_BYTES", 512), ("BLOCK_BYTES", 4096), ("REQUEST_BYTES", 0)):
        monkeypatch.setattr(f"operators.storage.ranged.{name}", least)
    data = noise(tmp_path / "noise", "mp4", {"movflags": flags})
    begun = threading.Semaphore(0)
    with opened(data, pool, lambda: begun.release()) as file:
        # Nobody has read a fragment yet.
        for _ in range(20):
            assert begun.acquire(timeout=30)
        assert decoded(file, "uniform", 3) == decoded(data, "uniform", 3)
        assert file.fetched < len(data) * 0.6


def test_where_visiting_fragments_takes_longer_the_whole_file_is_fetched(
    pool, tmp_path
) -> None:
    flags = "frag_keyframe+empty_moov+dash+global_sidx"
    data = noise(tmp_path / "noise", "mp4", {"movflags": flags})
    with opened(data, pool) as file:
        assert decoded(file, "uniform", 3) == decoded(data, "uniform", 3)
        assert file.requests <= 3


def test_what_could_not_be_read_is_told_and_not_taken_for_the_end(pool) -> None:
    data = make(CLIPS["h264"])

    def fetch(offset: int, size: int) -> bytes:
        raise changed("s3://b/a.mp4", "1", "2")

    for head in (40, len(data) // 2):
        with RangedFile(fetch, len(data), pool, data[:head]) as file:
            with pytest.raises(ItemFailure) as told:
                decoded(file, "uniform", 5)
            assert told.value.code is FailureCode.CHANGED_OBJECT


EVERY = ByteIndex(
    ticks=range(12),
    spans=[(1000 + 100 * n, 1100 + 100 * n) for n in range(12)],
    keys=[0, 6],
    tick_s=0.04,
)
KEYS = ByteIndex(
    ticks=[0, 100, 200],
    spans=[(number * 10**6, (number + 1) * 10**6) for number in range(3)],
    keys=[0, 1, 2],
    tick_s=0.1,
)


def test_with_every_packet_known_a_group_is_read_up_to_its_target() -> None:
    assert spans_of_groups(EVERY, {0: [1]}) == EVERY.spans[:3]
    assert spans_of_groups(EVERY, {1: [7, 20]}) == EVERY.spans[6:]
    assert spans_of_keyframes(EVERY, [1]) == [(1600, 1700)]


def test_with_keyframes_known_a_group_is_read_in_part_or_up_to_the_next_keyframe() -> None:
    [(start, end)] = spans_of_groups(KEYS, {0: [50]})
    assert start == 0
    assert 600_000 < end < 700_000
    assert spans_of_groups(KEYS, {0: [98]}) == [(0, 10**6)]
    assert spans_of_groups(KEYS, {0: [99]}) == [(0, 10**6 + KEYFRAME_BYTES)]
    assert spans_of_groups(KEYS, {2: [250]}) == [(2 * 10**6, 3 * 10**6)]
    assert spans_of_keyframes(KEYS, [0]) == [(0, KEYFRAME_BYTES)]


def test_a_keyframe_is_guessed_from_what_the_film_weighs() -> None:
    heavy = ByteIndex(KEYS.ticks, KEYS.spans, KEYS.keys, tick_s=0.01)
    assert spans_of_keyframes(heavy, [1]) == [(10**6, 10**6 + round(KEYFRAME_S * 10**6))]
    one = byte_index([(0, True, 100, 0)], 10**6, 0.1)
    assert spans_of_keyframes(one, [0]) == [(100, 100 + KEYFRAME_BYTES)]


def test_an_index_tells_of_packets_or_of_keyframes() -> None:
    packets = [(0, True, 100, 50), (1, False, 150, 20), (2, True, 300, 40)]
    every = byte_index(packets, 1000, 0.1)
    assert every.spans == [(100, 150), (150, 170), (300, 340)]
    assert every.keys == [0, 2]
    assert every.has_every_packet
    some = byte_index([(0, True, 100, 0), (2, True, 300, 0)], 1000, 0.1)
    assert some.spans == [(100, 300), (300, 1000)]
    assert not some.has_every_packet


def test_what_begins_at_one_place_ends_at_one() -> None:
    assert up_to_the_next([5, 5, 9], 20) == [(5, 9), (5, 9), (9, 20)]
    assert up_to_the_next([], 20) == []


def test_damaged_remote_files_are_frames_or_a_failure(pool) -> None:
    rng = random.Random(1)
    whole = make(CLIPS["h264"])
    for _ in range(30):
        data = bytearray(whole)
        for _ in range(20):
            data[rng.randrange(len(data))] = rng.randrange(256)
        with opened(bytes(data), pool) as file:
            try:
                assert decoded(file, "uniform", 4).shapes
            except ItemFailure as failure:
                assert failure.stage is Stage.DECODE
