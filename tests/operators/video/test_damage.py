"""Damaged videos fail, or are used as far as they go: no frame is shown that is not right."""

from __future__ import annotations

import functools

import numpy as np
import pytest

from operators.video.decode import decode_long_video, decode_video
from schemas.failure import FailureCode, ItemFailure
from schemas.job import VideoSampling
from schemas.media import Frames
from tests.media import clips
from tests.media.clips import CLIPS, X264_B_FRAMES, X264_OPEN_GOP, Clip
from tests.media.hurt import broken_by, cut, hurt, index_first, places
from tests.media.odd_clips import ODD
from tests.operators.video.test_decode import failure_of, numbers

EVERY = {"policy": "fps", "fps": 25, "max_frames": 1024}


@functools.cache
def made(name: str) -> bytes:
    if name == "index first":
        return index_first(clips.make(Clip(options=X264_B_FRAMES)))
    return clips.make({**CLIPS, **ODD}[name])


def used(data: bytes, **sampling) -> tuple[Frames, list[ItemFailure]]:
    """Its frames, and what was told of the others."""
    told: list[ItemFailure] = []
    frames = decode_video(
        data,
        sampling=VideoSampling(damaged="use", **sampling),
        max_frame_pixels=10**6,
        note=told.append,
    )
    return frames, told


def by_number(frames: Frames) -> dict[int, bytes]:
    pictures = np.frombuffer(frames.pixels, np.uint8).reshape(len(frames.shapes), -1)
    return {round(t * 25): p.tobytes() for t, p in zip(frames.pts_s, pictures, strict=True)}


@functools.cache
def undamaged(name: str) -> dict[int, bytes]:
    return by_number(used(made(name), **EVERY)[0])


def codes(told: list[ItemFailure]) -> list[FailureCode]:
    return [failure.code for failure in told]


@pytest.mark.parametrize("name", ["h264", "h264 ts", "h264 open gop", "vp9 webm"])
def test_of_a_whole_video_nothing_is_told(name: str) -> None:
    frames, told = used(made(name), **EVERY)
    assert numbers(frames) == list(range(100))
    assert told == []


@pytest.mark.parametrize("name", ["index first", "h264 mkv", "mpeg4 mkv", "mjpeg avi"])
@pytest.mark.parametrize("part", [0.2, 0.6, 0.95])
def test_the_beginning_of_a_video_that_is_cut_off_is_used(name: str, part: float) -> None:
    data = made(name)
    short = cut(data, part)
    whole = [one.number for one in places(data) if one.start + one.size <= len(short)]
    assert failure_of(short, **EVERY).code is FailureCode.TRUNCATED
    frames, told = used(short, **EVERY)
    found = by_number(frames)
    # FFmpeg does not give out the last packets before the end: of AVI, three.
    assert set(whole[:-4]) <= set(found) <= set(whole)
    assert all(found[number] == undamaged(name)[number] for number in found)
    assert codes(told)[0] is FailureCode.TRUNCATED
    assert "shorter than its own headers say" in told[0].message
    assert f"{frames.duration_s:.3f} s of it are used" in told[0].message
    # A packet of which there is a part has its time.
    assert 0 <= frames.duration_s - max(found) / 25 < 0.33


@pytest.mark.parametrize("name", ["index first", "h264 mkv", "h264 fragmented"])
def test_few_frames_are_spread_over_what_there_is(name: str) -> None:
    data = made(name)
    frames, _ = used(cut(data, 0.6), max_frames=5)
    shown = numbers(frames)
    assert len(shown) == 5
    assert frames.pts_s == pytest.approx([number / 25 for number in shown], abs=0.0011)
    end = frames.duration_s * 25
    assert shown == [int(end * (2 * n + 1) / 10 + 1e-6) for n in range(5)]
    assert 30 < end < 80


def test_a_transport_stream_has_no_end_and_loses_its_last_frames_silently() -> None:
    data = made("h264 ts")
    order = [one.number for one in places(data, "mpegts")]
    frames, told = used(cut(data, 0.6, "mpegts"), **EVERY)
    shown = numbers(frames)
    assert shown == sorted(order[: len(shown)])
    assert 50 < shown[-1] < 70
    assert told == []


@pytest.mark.parametrize("name", ["h264", "h264 mkv", "vp9 webm"])
def test_what_holds_not_one_frame_fails_all_the_same(name: str) -> None:
    data = made(name)
    # In an MP4 the index comes last, and without it nothing can be found.
    short = data[: data.index(b"moov")] if name == "h264" else data[:300]
    with pytest.raises(ItemFailure) as caught:
        used(short)
    assert caught.value.code is FailureCode.TRUNCATED


@pytest.mark.parametrize("name", ["h264", "mpeg2 mkv", "mpeg4 mp4"])
def test_frames_that_may_be_wrong_are_not_shown_whatever_packet_is_damaged(name: str) -> None:
    data, good = made(name), undamaged(name)
    found = places(data)
    # A damaged beginning is cut off, as of a stream that was cut out of a longer one.
    for place in found[1 :: 13 if name == "h264" else 23]:
        damaged = hurt(data, place)
        frames, told = used(damaged, **EVERY)
        shown = by_number(frames)
        assert all(shown[number] == good[number] for number in shown)
        broken, lost = broken_by(found, place), set(good) - set(shown)
        # MPEG-2's decoder gives out what is before the damage in another order then.
        assert lost <= broken | set(range(min(broken) - 5, min(broken)))
        assert place.number not in shown
        assert codes(told) == [FailureCode.CORRUPT]
        assert failure_of(damaged, **EVERY).code is FailureCode.CORRUPT


def test_it_is_told_how_many_frames_are_lost_and_where() -> None:
    data = made("h264")
    found = places(data)
    # The first picture after a keyframe: three that are shown before it depend on it, too.
    [place] = [one for one in found if one.number == 28]
    frames, [told] = used(hurt(data, place), **EVERY)
    assert numbers(frames) == [*range(25), *range(36, 100)]
    assert told.message.startswith(
        "11 of 100 sampled frames cannot be decoded, those at 1.000 s, 1.040 s, 1.080 s, "
        "1.120 s, 1.160 s and later"
    )
    few, told_of_few = used(hurt(data, place), max_frames=5)
    assert numbers(few) == [10, 50, 70, 90]
    assert "1 of 5 sampled frames" in told_of_few[0].message


def test_damage_that_no_wanted_frame_depends_on_is_not_seen() -> None:
    data = made("h264")
    [place] = [one for one in places(data) if one.number == 30]
    frames, told = used(hurt(data, place), policy="keyframes")
    assert numbers(frames) == list(range(0, 100, 12))
    assert told == []


def test_a_damaged_keyframe_is_left_out() -> None:
    data = made("h264")
    [place] = [one for one in places(data) if one.number == 36]
    frames, told = used(hurt(data, place), policy="keyframes")
    assert numbers(frames) == [n for n in range(0, 100, 12) if n != 36]
    assert "those at 1.440 s" in told[0].message
    assert failure_of(hurt(data, place), policy="keyframes").code is FailureCode.CORRUPT


@pytest.mark.parametrize("name", ["h264", "h264 mkv", "mpeg2 mkv", "h264 avi"])
def test_windows_go_on_after_the_damage(name: str) -> None:
    data = made(name)
    place = next(one for one in places(data)[52:] if not one.is_keyframe)
    told: list[ItemFailure] = []
    pieces = decode_long_video(
        hurt(data, place),
        sampling=VideoSampling(policy="fps", fps=25, max_frames=8, damaged="use"),
        max_frame_pixels=10**6,
        overview=True,
        note=told.append,
    )
    given: list[int] = []
    for frames, part in pieces:
        assert part is not None
        if part.is_window:
            assert 1 <= len(frames.shapes) <= 8
            assert told == []
            given += numbers(frames)
    assert codes(told) == [FailureCode.CORRUPT]
    lost = set(range(100)) - set(given)
    assert given == sorted(given)
    assert place.number in lost
    # AVI tells frames apart by their order: after a loss nothing is certain any more.
    assert lost == set(range(min(lost), 100)) if name == "h264 avi" else len(lost) <= 12


def test_windows_end_at_damage_that_is_to_fail() -> None:
    data = made("h264")
    [place] = [one for one in places(data) if one.number == 40]
    given: list[int] = []
    pieces = decode_long_video(
        hurt(data, place),
        sampling=VideoSampling(policy="fps", fps=25, max_frames=8),
        max_frame_pixels=10**6,
        overview=False,
    )
    with pytest.raises(ItemFailure) as caught:
        given.extend(number for frames, _ in pieces for number in numbers(frames))
    assert caught.value.code is FailureCode.CORRUPT
    assert given == list(range(len(given)))
    assert len(given) <= 40


def test_a_hole_in_a_transport_stream() -> None:
    whole, packet = clips.make(Clip("mpegts", options=X264_OPEN_GOP)), 188
    middle = len(whole) // 2 // packet * packet
    holed = whole[:middle] + whole[middle + 7 * packet :]
    frames, _ = used(holed, **EVERY)
    shown = by_number(frames)
    good = by_number(used(whole, **EVERY)[0])
    assert all(shown[number] == good[number] for number in shown)
    assert 80 < len(shown) < 100


def test_packets_of_an_unknown_stream_are_passed_over() -> None:
    packet = 188
    damaged = bytearray(made("mpeg1 ts"))
    damaged[61 * packet + 2] ^= 0xFF
    assert failure_of(bytes(damaged), **EVERY).code is FailureCode.CORRUPT
    frames, told = used(bytes(damaged), **EVERY)
    assert len(frames.shapes) > 80
    assert "a stream that was not there at its start" in told[0].message


@pytest.mark.parametrize("part", [0.3, 0.7])
def test_a_remote_or_local_file_is_used_as_its_bytes_are(tmp_path, part: float) -> None:
    data = made("index first")
    path = tmp_path / "a.mp4"
    path.write_bytes(cut(data, part))
    with path.open("rb") as file:
        told: list[ItemFailure] = []
        frames = decode_video(
            file,
            sampling=VideoSampling(max_frames=5, damaged="use"),
            max_frame_pixels=10**6,
            note=told.append,
        )
    from_bytes, told_of_bytes = used(path.read_bytes(), max_frames=5)
    assert bytes(frames.pixels) == bytes(from_bytes.pixels)
    assert [one.message for one in told] == [one.message for one in told_of_bytes]


def test_nothing_is_printed(capfd) -> None:
    used(hurt(made("h264"), places(made("h264"))[30]), **EVERY)
    assert capfd.readouterr() == ("", "")
