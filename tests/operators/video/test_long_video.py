"""Long videos, cut into windows while they are decoded."""

from __future__ import annotations

import functools
import io
from dataclasses import replace
from itertools import pairwise

import av
import numpy as np
import pytest

from operators.video.decode import decode_long_video, decode_video
from schemas.failure import FailureCode, ItemFailure
from schemas.job import VideoSampling
from schemas.media import Cue, Frames, Part
from tests.media import clips
from tests.media.clips import CLIPS
from tests.operators.video.test_decode import clip, numbers


def cut(data: bytes, *, overview: bool = True, cues=(), **sampling):
    return list(
        decode_long_video(
            data,
            sampling=VideoSampling(**sampling),
            max_frame_pixels=10**6,
            overview=overview,
            cues=cues,
        )
    )


def whole(data: bytes, **sampling) -> Frames:
    return decode_video(data, sampling=VideoSampling(**sampling), max_frame_pixels=10**6)


@pytest.mark.parametrize("name", CLIPS)
@pytest.mark.parametrize("policy", [{"policy": "fps", "fps": 10}, {"policy": "keyframes"}])
def test_the_windows_together_are_the_video(name: str, policy) -> None:
    most = 3
    expected = whole(clip(name), max_frames=1024, **policy)
    pieces = cut(clip(name), max_frames=most, **policy)
    if len(expected.pts_s) <= most:
        [(frames, part)] = pieces
        assert part is None
        assert numbers(frames) == numbers(expected)
        return
    *windows, (overview, last) = pieces
    assert [part for _, part in windows] == [Part(n) for n in range(len(windows))]
    assert last == Part(len(windows), len(windows) + 1)
    assert all(1 <= len(frames.pts_s) <= most for frames, _ in windows)
    assert [n for frames, _ in windows for n in numbers(frames)] == numbers(expected)
    assert sum((frames.pts_s for frames, _ in windows), ()) == expected.pts_s
    assert {frames.duration_s for frames, _ in windows} == {expected.duration_s}
    middles = [expected.duration_s * (2 * n + 1) / (2 * most) for n in range(most)]
    shown = [max((t for t in expected.pts_s if t <= m + 1e-6), default=0) for m in middles]
    assert list(overview.pts_s) == sorted(set(shown))
    at = dict(zip(expected.pts_s, numbers(expected), strict=True))
    assert numbers(overview) == [at[time] for time in overview.pts_s]


def test_a_video_of_one_window_is_not_cut() -> None:
    [(frames, part)] = cut(clip("h264"), policy="fps", fps=5, max_frames=32)
    assert part is None
    assert frames.pts_s == whole(clip("h264"), policy="fps", fps=5, max_frames=32).pts_s
    [(_, part)] = cut(clip("h264"), policy="uniform", max_frames=4)
    assert part is None
    [(frames, part)] = cut(clip("h264"), policy="fps", fps=10, max_frames=4, max_windows=1)
    assert part is None
    assert len(frames.pts_s) == 4


def test_more_windows_than_allowed_are_not_made_and_frames_thinned_instead() -> None:
    *windows, _ = cut(clip("h264"), policy="fps", fps=25, max_frames=4, max_windows=6)
    frames = [n for window, _ in windows for n in numbers(window)]
    assert len(frames) == 24
    assert max(b - a for a, b in pairwise(frames)) <= 5


def test_without_a_wish_for_it_the_overview_holds_no_frame() -> None:
    *_, (overview, last) = cut(clip("h264"), overview=False, policy="fps", fps=10, max_frames=8)
    assert overview.shapes == overview.pts_s == ()
    assert last.count == last.number + 1
    assert overview.duration_s == pytest.approx(4.0)
    assert (overview.source_width, overview.source_height) == (clips.WIDTH, clips.HEIGHT)


@functools.cache
def shots(lengths: tuple[int, ...], fps: int = 10) -> bytes:
    """A video of still shots of so many frames each, in colours far apart."""
    colours = [(200, 40, 40), (40, 160, 60), (50, 60, 190), (210, 190, 60), (30, 30, 30)]
    memory = io.BytesIO()
    with av.open(memory, "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=fps)
        stream.width, stream.height, stream.pix_fmt = 128, 64, "yuv420p"
        stream.gop_size = 50
        stream.options = {"x264-params": "scenecut=0"}
        for number, length in enumerate(lengths):
            for place in range(length):
                picture = np.full((64, 128, 3), colours[number % 5], np.uint8)
                picture[8:24, 8 + place % 90 : 24 + place % 90] = 255  # Something moves.
                for packet in stream.encode(av.VideoFrame.from_ndarray(picture)):
                    container.mux(packet)
        for packet in stream.encode():
            container.mux(packet)
    return memory.getvalue()


def test_windows_end_where_shots_do() -> None:
    *windows, _ = cut(shots((25, 17, 30, 40)), policy="fps", fps=10, max_frames=32)
    starts = [frames.pts_s[0] for frames, _ in windows]
    # A shot that is longer than a window is cut where the window is full.
    assert starts == pytest.approx([0.0, 2.5, 4.2, 7.2, 10.4])


def test_words_go_to_the_windows_during_which_they_are_shown() -> None:
    said = (
        Cue(0.1, 1.0, "early"),
        Cue(2.4, 2.6, "over the cut"),
        Cue(9.0, 9.5, "late"),
        Cue(11.05, 11.2, "at the very end"),
    )
    *windows, (overview, _) = cut(
        shots((25, 17, 30, 40)), cues=said, policy="fps", fps=10, max_frames=32
    )
    heard = [[cue.text for cue in frames.cues] for frames, _ in windows]
    assert heard == [
        ["early", "over the cut"],
        ["over the cut"],
        [],
        ["late"],
        ["at the very end"],
    ]
    assert overview.cues == said


def test_windows_are_given_while_the_video_is_still_read() -> None:
    """One window is held at a time: the first is there long before the last packet."""
    checked = 0

    def check_time() -> None:
        nonlocal checked
        checked += 1

    pieces = decode_long_video(
        clip("h264 one gop"),
        sampling=VideoSampling(policy="fps", fps=25, max_frames=4),
        max_frame_pixels=10**6,
        overview=False,
        check_time=check_time,
    )
    next(pieces)
    at_first = checked
    list(pieces)
    assert at_first < checked / 3


@pytest.mark.parametrize("name", ["h264", "h264 one gop", "h264 mkv", "mpeg2 ts"])
def test_damage_comes_after_the_windows_before_it(name: str) -> None:
    data = bytearray(clip(name))
    # In MP4 the pictures come before the index.
    end = data.find(b"moov") if b"moov" in data else len(data)
    middle = end * 6 // 10
    data[middle : middle + 300] = bytes(300)
    given: list[int] = []
    try:
        for frames, part in decode_long_video(
            bytes(data),
            sampling=VideoSampling(policy="fps", fps=25, max_frames=8),
            max_frame_pixels=10**6,
            overview=False,
        ):
            if part is not None and part.is_window:
                given += numbers(frames)
    except ItemFailure as failure:
        assert failure.code in (FailureCode.CORRUPT, FailureCode.TRUNCATED)
    assert given == sorted(given)
    assert given[:30] == list(range(30))


def test_an_index_that_misleads_late_costs_no_frame_and_doubles_none(monkeypatch) -> None:
    """Past the first windows the container's index fails: the rest comes by a scan."""
    from operators.video.opened import VideoReader

    honest = VideoReader.seek

    def misled(self, tick: int) -> bool:
        return honest(self, tick) and float(tick * self.tick_s) < 2.0

    expected = whole(clip("h264"), policy="fps", fps=25, max_frames=1024)
    monkeypatch.setattr(VideoReader, "seek", misled)
    *windows, _ = cut(clip("h264"), policy="fps", fps=25, max_frames=8)
    assert [n for frames, _ in windows for n in numbers(frames)] == numbers(expected)
    assert sum((frames.pts_s for frames, _ in windows), ()) == expected.pts_s


def test_a_long_video_without_an_index_is_cut_all_the_same() -> None:
    made = clips.make(replace(CLIPS["h264 ts"], frames=250))
    *windows, _ = cut(made, policy="fps", fps=25, max_frames=16)
    assert len([n for frames, _ in windows for n in numbers(frames)]) == 250
