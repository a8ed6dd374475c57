"""Which frames come of videos that are odd in one way each: by the numbers drawn in them."""

from __future__ import annotations

import functools
import io
import zlib
from fractions import Fraction

import av
import numpy as np
import pytest

from schemas.failure import FailureCode
from schemas.media import Frames
from tests.media import boxes, clips, odd_clips
from tests.media.clips import HEIGHT, WIDTH, X264_B_FRAMES, Clip
from tests.media.odd_clips import ODD
from tests.operators.video.test_decode import decode, failure_of, numbers

TICKS = 512
"""Of a frame, in MP4 files at 25 frames a second."""

FIRST = 2 * TICKS
"""Media time of the first frame where two B-frames are decoded before they are shown."""


@functools.cache
def made(name: str) -> bytes:
    return clips.make(ODD[name])


def shown_at(clip: Clip, targets: list[float]) -> list[int]:
    """The frames on screen at some seconds, by definition, with no container in sight."""
    times = clip.times
    return sorted({max(n for n, t in enumerate(times) if t <= s + 0.0005) for s in targets})


def assert_times_are_right(clip: Clip, frames: Frames) -> None:
    times = [clip.times[number] for number in numbers(frames)]
    assert frames.pts_s == pytest.approx(times, abs=0.0011)


@pytest.mark.parametrize("name", ODD)
@pytest.mark.parametrize("max_frames", [1, 13])
def test_frames_evenly_spread(name: str, max_frames: int) -> None:
    clip = ODD[name]
    frames = decode(made(name), max_frames=max_frames)
    count = min(max_frames, clip.frames)
    targets = [frames.duration_s * (2 * n + 1) / (2 * count) for n in range(count)]
    assert numbers(frames) == shown_at(clip, targets)
    assert_times_are_right(clip, frames)
    assert (frames.source_width, frames.source_height) == clip.size


@pytest.mark.parametrize("name", ODD)
def test_every_frame_there_is(name: str) -> None:
    clip = ODD[name]
    frames = decode(made(name), policy="fps", fps=25, max_frames=1024)
    targets = [n / 25 for n in range(round(clip.times[-1] * 25) + 1)]
    assert numbers(frames) == shown_at(clip, targets)
    assert_times_are_right(clip, frames)


@pytest.mark.parametrize("name", ODD)
def test_keyframes_are_those_of_the_container(name: str) -> None:
    demuxer = {"mp4": "mov", "webm": "matroska"}.get(ODD[name].container, ODD[name].container)
    with av.open(io.BytesIO(made(name)), format=demuxer) as container:
        [stream] = container.streams.video
        packets = [p for p in container.demux(stream) if p.size and not p.is_discard]
    order = sorted(range(len(packets)), key=lambda n: packets[n].pts)
    # What shows nothing has no number: VP8's hidden frames, which are no keyframes.
    expected = [n for n, place in enumerate(order) if packets[place].is_keyframe]
    if len(packets) == ODD[name].frames:
        assert numbers(decode(made(name), policy="keyframes", max_frames=100)) == expected
    else:
        assert len(decode(made(name), policy="keyframes", max_frames=100).pts_s) == len(
            expected
        )


def test_two_pictures_in_one_packet_are_two_frames() -> None:
    packed = odd_clips.packed_avi()
    every = decode(packed, policy="fps", fps=25, max_frames=100)
    assert numbers(every) == list(range(60))
    assert every.pts_s == pytest.approx([n / 25 for n in range(60)])
    assert numbers(decode(packed, max_frames=10)) == list(range(3, 60, 6))


def test_the_size_may_change_on_the_way() -> None:
    frames = decode(odd_clips.of_two_sizes(), max_frames=10)
    assert numbers(frames) == list(range(5, 100, 10))
    assert frames.shapes == ((HEIGHT, WIDTH),) * 5 + ((HEIGHT // 2, WIDTH // 2),) * 5
    assert (frames.source_width, frames.source_height) == (WIDTH, HEIGHT)


@pytest.mark.parametrize("container", ["mp4", "mov", "matroska"])
@pytest.mark.parametrize("rotation", [0, 90, 180, -90])
@pytest.mark.parametrize("flip", [False, True])
def test_turned_and_mirrored(container: str, rotation: int, flip: bool) -> None:
    clip = Clip(container, options=X264_B_FRAMES, frames=20, rotation=rotation, flip=flip)
    upright = decode(clips.make(Clip(container, options=X264_B_FRAMES, frames=20)))
    turned = decode(clips.make(clip))
    pictures = np.frombuffer(upright.pixels, np.uint8).reshape(20, HEIGHT, WIDTH, 3)
    expected = np.rot90(pictures, rotation // 90, axes=(1, 2))
    if flip:
        expected = expected[:, :, ::-1]
    assert set(turned.shapes) == {expected.shape[1:3]}
    assert np.array_equal(np.frombuffer(turned.pixels, np.uint8), expected.ravel())


@pytest.mark.parametrize(
    ("clip", "size"),
    [
        (Clip(options=X264_B_FRAMES, aspect=Fraction(2)), (256, 64)),
        (Clip(options=X264_B_FRAMES, aspect=Fraction(1, 3)), (43, 64)),
        (Clip("matroska", options=X264_B_FRAMES, aspect=Fraction(2)), (256, 64)),
        (Clip("mpegts", options=X264_B_FRAMES, aspect=Fraction(2)), (256, 64)),
        (Clip("mpegts", "mpeg2video", {"b": "4000000"}, aspect=Fraction(8, 9)), (114, 64)),
    ],
)
def test_pixels_that_are_not_square_are_shown_as_wide_as_they_are(clip, size) -> None:
    frames = decode(clips.make(clip), max_frames=10)
    assert numbers(frames) == list(range(5, 100, 10))
    assert (frames.source_width, frames.source_height) == size
    assert set(frames.shapes) == {size[::-1]}


def test_pixels_that_are_not_square_are_turned_with_the_picture() -> None:
    clip = Clip(options=X264_B_FRAMES, aspect=Fraction(2), rotation=90)
    assert set(decode(clips.make(clip), max_frames=3).shapes) == {(256, 64)}


@functools.cache
def plain() -> bytes:
    return clips.make(Clip(options=X264_B_FRAMES))


@pytest.mark.parametrize("first", [1, 24, 30, 35])
def test_an_edit_list_cuts_the_beginning(first: int) -> None:
    data = boxes.with_edits(plain(), [(4000 - 40 * first, FIRST + first * TICKS)])
    every = decode(data, policy="fps", fps=25, max_frames=1024)
    assert numbers(every) == list(range(first, 100))
    assert every.pts_s == pytest.approx([n / 25 for n in range(100 - first)])
    keyframes = decode(data, policy="keyframes", max_frames=100)
    assert numbers(keyframes) == [n for n in range(0, 100, 12) if n >= first]
    few = decode(data, max_frames=5)
    parts = [(100 - first) * (2 * n + 1) / 10 for n in range(5)]
    assert numbers(few) == [first + int(part + 1e-6) for part in parts]


def test_an_edit_list_cuts_both_ends() -> None:
    data = boxes.with_edits(plain(), [(1600, FIRST + 30 * TICKS)])
    every = decode(data, policy="fps", fps=25, max_frames=1024)
    assert numbers(every) == list(range(30, 70))
    assert numbers(decode(data, policy="keyframes", max_frames=100)) == [36, 48, 60]


def test_an_edit_list_may_leave_no_keyframe() -> None:
    data = boxes.with_edits(plain(), [(320, FIRST + 26 * TICKS)])
    assert numbers(decode(data, policy="fps", fps=25)) == list(range(26, 34))
    assert numbers(decode(data, policy="keyframes")) == [26]


def test_an_empty_edit_delays_the_video_and_shows_nothing() -> None:
    """Times count from the first frame: what sound comes before it is not looked at."""
    data = boxes.with_edits(plain(), [(1000, -1), (4000, FIRST)])
    every = decode(data, policy="fps", fps=25, max_frames=1024)
    assert numbers(every) == list(range(100))
    assert every.pts_s == pytest.approx([n / 25 for n in range(100)])
    assert every.duration_s == pytest.approx(4.0)


def test_without_an_edit_list_nothing_is_cut() -> None:
    data = boxes.with_box(plain(), (*boxes.TRACK, b"edts"), lambda _: b"")
    assert numbers(decode(data, max_frames=10)) == list(range(5, 100, 10))


def test_an_index_may_be_compressed() -> None:
    data = boxes.with_compressed_index(plain())
    assert numbers(decode(data, max_frames=10)) == list(range(5, 100, 10))
    twice = data[data.index(b"moov") - 4 :]
    nested = boxes.with_compressed_index(plain(), (zlib.compress(twice), len(twice)))
    assert failure_of(nested).code is FailureCode.TOO_LARGE


def test_many_edits_may_be_made_of_one_video() -> None:
    """As programs write them that cut without coding anew: each shows half a second."""
    begins = [FIRST + 12 * TICKS * (number % 8) for number in range(150)]
    frames = decode(
        boxes.with_edits(plain(), [(480, begin) for begin in begins]),
        policy="times",
        times_s=(0.2, 0.7, 3.5),
    )
    assert numbers(frames) == [5, 17, 87]


def test_a_stream_cut_out_of_a_longer_one_begins_at_its_first_keyframe() -> None:
    whole = clips.make(Clip("mpegts", options=X264_B_FRAMES))
    tables, packet = whole[: 3 * 188], 188
    cut = tables + whole[len(whole) * 3 // 10 // packet * packet :]
    every = decode(cut, policy="fps", fps=25, max_frames=1024)
    assert numbers(every) == list(range(36, 100))
    assert every.pts_s == pytest.approx([n / 25 for n in range(64)], abs=1e-3)


def test_a_suffix_does_not_matter() -> None:
    """The container is told from the content; only its bytes are given."""
    assert decode(plain(), max_frames=1).source_format == "mp4"
    assert decode(made("h264 live mkv"), max_frames=1).source_format == "matroska"
    assert failure_of(b"#EXTM3U\n#EXTINF:4,\nhttp://host/a.ts\n").code is FailureCode.NOT_MEDIA


def joined(*offsets_s: float) -> bytes:
    """Transport streams of 50 frames each, joined end to end; each begins at its own time."""
    return b"".join(
        clips.make(
            Clip(
                "mpegts",
                options=X264_B_FRAMES,
                frames=50,
                muxer={"output_ts_offset": str(offset)},
            ),
            lambda number, first=50 * part: clips.draw_number(first + number),
        )
        for part, offset in enumerate(offsets_s)
    )


@pytest.mark.parametrize("offsets_s", [(0, 0), (0, 2.08), (1000, 0), (0, 90000), (0, 0, 0)])
def test_joined_streams_go_on_where_their_clocks_begin_anew(offsets_s) -> None:
    count = 50 * len(offsets_s)
    frames = decode(joined(*offsets_s), policy="fps", fps=25, max_frames=1024)
    assert numbers(frames) == list(range(count))
    assert frames.pts_s == pytest.approx([n / 25 for n in range(count)], abs=0.0011)
    few = decode(joined(*offsets_s), max_frames=5)
    assert numbers(few) == [count * (2 * n + 1) // 10 for n in range(5)]


def test_a_gap_between_joined_streams_is_one() -> None:
    frames = decode(joined(0, 1000), policy="keyframes", max_frames=100)
    assert numbers(frames) == [0, 12, 24, 36, 48, 50, 62, 74, 86, 98]
    assert frames.pts_s[4:6] == pytest.approx([1.92, 999.92], abs=0.0011)
