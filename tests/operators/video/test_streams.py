"""Which of a file's streams is the video."""

from __future__ import annotations

import io

import av
import pytest

from schemas.failure import FailureCode
from tests.media import clips
from tests.media.streams import Video, with_cover, with_videos
from tests.operators.video.test_decode import decode, failure_of, numbers

SMALL, LARGE = Video(0), Video(100, scale=2)


def first_number(data: bytes) -> int:
    return numbers(decode(data, policy="fps", fps=25, max_frames=100))[0]


@pytest.mark.parametrize("container", ["matroska", "mpegts"])
def test_the_largest_video_is_taken_where_none_is_marked(container: str) -> None:
    assert first_number(with_videos(container, [SMALL, LARGE])) == 100
    assert first_number(with_videos(container, [LARGE, SMALL])) == 100


@pytest.mark.parametrize("container", ["mp4", "mov", "matroska"])
def test_the_video_marked_as_default_is_taken_whatever_its_size(container: str) -> None:
    marked = Video(0, default=True)
    assert first_number(with_videos(container, [marked, LARGE])) == 0
    assert first_number(with_videos(container, [LARGE, marked])) == 0


def test_the_first_is_taken_of_those_alike() -> None:
    assert first_number(with_videos("matroska", [Video(50), Video(0)])) == 50


@pytest.mark.parametrize("container", ["mp4", "matroska", "mpegts"])
def test_sound_and_other_videos_do_not_come_between(container: str) -> None:
    data = with_videos(container, [LARGE, SMALL], sound=True)
    frames = decode(data, policy="fps", fps=25, max_frames=100)
    assert numbers(frames) == list(range(100, 150))
    assert frames.pts_s == pytest.approx([n / 25 for n in range(50)], abs=0.0011)


def test_streams_of_data_are_passed_over() -> None:
    data = with_videos("mov", [SMALL], sound=True, timecode=True)
    with av.open(io.BytesIO(data)) as container:
        assert sorted(s.type for s in container.streams) == ["audio", "data", "video"]
    assert numbers(decode(data, max_frames=5)) == [5, 15, 25, 35, 45]


def test_a_cover_picture_is_not_the_video_even_if_it_is_larger() -> None:
    data = with_cover("mp4")
    with av.open(io.BytesIO(data)) as container:
        assert len(container.streams.video) == 2
    assert numbers(decode(data, max_frames=5)) == [5, 15, 25, 35, 45]


def test_a_file_of_sound_with_a_cover_has_no_video() -> None:
    failure = failure_of(clips.audio_with_cover())
    assert failure.code is FailureCode.NO_VIDEO_STREAM
    assert "its streams: audio, video" in failure.message


def test_a_file_of_sound_alone_has_no_video() -> None:
    failure = failure_of(clips.audio_only())
    assert failure.code is FailureCode.NO_VIDEO_STREAM
    assert "its streams: audio" in failure.message
