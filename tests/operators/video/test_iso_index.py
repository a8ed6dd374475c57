"""Where ISO files have their index."""

from __future__ import annotations

import functools
import io
import tempfile
from pathlib import Path

import av
import pytest
from hypothesis import given
from hypothesis import strategies as st

from operators.video.boxes import Box, top_boxes
from operators.video.iso_index import (
    index_spans,
    misleading_lists,
    starts_ahead,
    starts_at_the_end,
)
from tests.media.clips import CLIPS, make
from tests.operators.video.test_decode import decode, numbers

FLAGS = {
    "list at the end": "frag_keyframe+empty_moov",
    "first fragment in the header": "frag_keyframe",
    "list before each fragment": "frag_keyframe+empty_moov+dash",
    "list at the start": "frag_keyframe+empty_moov+dash+global_sidx",
    "no list": "frag_keyframe+empty_moov+skip_trailer",
}


@functools.cache
def fragmented(kind: str) -> bytes:
    return remuxed(FLAGS[kind])


def remuxed(flags: str) -> bytes:
    """FFmpeg reads a file again to put a list at its start: it cannot be in memory."""
    plain = make(CLIPS["h264"])
    with tempfile.NamedTemporaryFile(suffix=".mp4") as file:
        with (
            av.open(io.BytesIO(plain)) as read,
            av.open(file.name, "w", options={"movflags": flags}) as written,
        ):
            stream = written.add_stream_from_template(read.streams.video[0])
            for packet in read.demux(video=0):
                if packet.dts is not None:
                    packet.stream = stream
                    written.mux(packet)
        return Path(file.name).read_bytes()


def boxes(data: bytes, kind: bytes) -> list[Box]:
    return [box for box in top_boxes(io.BytesIO(data), len(data)) if box.kind == kind]


def spans_of(data: bytes) -> list[tuple[int, int]] | None:
    return index_spans(io.BytesIO(data), len(data))


@pytest.mark.parametrize("flags", ["write_colr", "faststart"])
def test_the_index_is_found_at_either_end(flags: str) -> None:
    data = remuxed(flags)
    [moov] = boxes(data, b"moov")
    assert spans_of(data) == [(moov.start, moov.end)]


@pytest.mark.parametrize("data", [b"", b"RIFF" * 100, bytes(100)])
def test_what_is_no_iso_file_has_none(data: bytes) -> None:
    assert spans_of(data) is None
    assert misleading_lists(io.BytesIO(data)) == []


@pytest.mark.parametrize("kind", [kind for kind in FLAGS if kind != "no list"])
def test_the_headers_of_all_fragments_are_in_it(kind: str) -> None:
    data = fragmented(kind)
    spans = spans_of(data)
    assert spans
    fragments = boxes(data, b"moof")
    assert len(fragments) > 5
    [moov] = boxes(data, b"moov")
    for box in [moov, *fragments, *boxes(data, b"sidx")]:
        assert any(start <= box.start and box.end <= end for start, end in spans), box


def test_without_a_list_only_the_whole_file_tells() -> None:
    data = fragmented("no list")
    assert starts_at_the_end(io.BytesIO(data), len(data)) == []
    assert spans_of(data) is None


def test_a_list_that_leaves_fragments_out_is_none() -> None:
    data = fragmented("list at the end")
    starts = starts_at_the_end(io.BytesIO(data), len(data))
    assert starts == [box.start for box in boxes(data, b"moof")]
    # Small fragments may be taken for what stands between two.
    for left_out in (starts[:1], starts[1:5]):
        other = data
        for start in left_out:
            other = other.replace(start.to_bytes(8, "big"), starts[5].to_bytes(8, "big"))
        assert other != data
        assert spans_of(other) is None


def test_a_list_at_the_start_names_all_fragments_and_no_other_list_does() -> None:
    data = fragmented("list at the start")
    [sidx] = boxes(data, b"sidx")
    assert misleading_lists(io.BytesIO(data)) == [sidx.start]
    assert starts_ahead(io.BytesIO(data), sidx) == [b.start for b in boxes(data, b"moof")]
    others = fragmented("list before each fragment")
    assert misleading_lists(io.BytesIO(others)) == []
    assert starts_ahead(io.BytesIO(others), boxes(others, b"sidx")[0]) == []


def test_a_list_of_lists_names_none() -> None:
    data = bytearray(fragmented("list at the start"))
    [sidx] = boxes(bytes(data), b"sidx")
    entries = sidx.end - 12 * len(boxes(bytes(data), b"moof"))
    data[entries] |= 0x80
    assert starts_ahead(io.BytesIO(data), sidx) == []


@given(st.binary(max_size=60), st.integers(0, 2**32 - 1))
def test_any_bytes_list_fragments_within_the_file_or_none(tail: bytes, length: int) -> None:
    mfro = b"\0\0\0\x10mfro\0\0\0\0" + length.to_bytes(4, "big")
    data = b"x" * 50 + tail + mfro
    for size in (len(data), 16 + len(tail)):
        mfra = data[:-4] + size.to_bytes(4, "big")
        assert all(
            0 <= start < len(mfra) for start in starts_at_the_end(io.BytesIO(mfra), len(mfra))
        )
    assert starts_at_the_end(io.BytesIO(data), len(data)) is not None


@given(st.binary(max_size=80))
def test_any_bytes_are_a_list_or_none(data: bytes) -> None:
    box = Box(b"sidx", 0, len(data) + 8)
    starts = starts_ahead(io.BytesIO(b"\0\0\0\0sidx" + data), box)
    assert starts == sorted(starts)
    assert len(starts) <= len(data) // 12


@pytest.mark.parametrize("kind", FLAGS)
@pytest.mark.parametrize("count", [7, 100])
def test_of_fragments_frames_are_exact(kind: str, count: int) -> None:
    frames = decode(fragmented(kind), max_frames=count)
    assert numbers(frames) == [round(second * 25) for second in frames.pts_s]
    # FFmpeg adds when the first frame is shown to the length of some.
    assert len(frames.shapes) >= count - 2
    assert frames.duration_s == pytest.approx(4.0, abs=0.081)
