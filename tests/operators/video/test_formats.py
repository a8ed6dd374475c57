"""Containers and codecs: what is decoded, what must be named, what is never opened."""

from __future__ import annotations

import functools
from typing import get_args

import av
import av.codec
import pytest

from operators.decode import DecodeOperator
from operators.video.decode import decode_video
from operators.video.formats import DEMUXERS, Allowed, codec_of, decoders
from schemas.failure import FailureCode, ItemFailure, JobFileError
from schemas.item import Item, Medium
from schemas.job import MediaSpec, StorageSpec, VideoSampling
from schemas.media import (
    VIDEO_CODECS,
    VIDEO_CONTAINERS,
    VIDEO_SUFFIXES,
    MediaKind,
    VideoCodec,
    VideoContainer,
    kind_from_name,
)
from tests.media import boxes, clips
from tests.media.clips import X264_B_FRAMES, X264_OPEN_GOP, Clip
from tests.operators.video.test_decode import failure_of, numbers

EVERYTHING = Allowed(get_args(VideoContainer), get_args(VideoCodec))

_B_FRAMES = {"b": "4000000", "bf": "2"}
_PLAIN = {"b": "4000000"}

USUAL = {
    "mpeg2 ps": Clip("vob", "mpeg2video", _B_FRAMES),
    "mpeg1 ps": Clip("mpeg", "mpeg1video", _B_FRAMES),
    "h264 3gp": Clip("3gp", options=X264_B_FRAMES),
}
NAMED = {
    "h264 flv": Clip("flv", options=X264_OPEN_GOP),
    "flv1 flv": Clip("flv", "flv", _PLAIN),
    "wmv1 asf": Clip("asf", "wmv1", _PLAIN),
    "wmv2 asf": Clip("asf", "wmv2", _PLAIN),
    "msmpeg4 avi": Clip("avi", "msmpeg4", _PLAIN),
    "h263 3gp": Clip("3gp", "h263", _PLAIN, frames=25, size=(352, 288)),
    "ffv1 mkv": Clip("matroska", "ffv1", frames=25),
    "png mov": Clip("mov", "png", frames=25, pix_fmt="rgba"),
    "qtrle mov": Clip("mov", "qtrle", frames=25, pix_fmt="argb"),
    "dv avi": Clip("avi", "dvvideo", frames=3, size=(720, 576)),
    "dnxhd mov": Clip(
        "mov", "dnxhd", {"profile": "dnxhr_lb"}, frames=25, pix_fmt="yuv422p", size=(256, 128)
    ),
}


@functools.cache
def made(name: str) -> bytes:
    return clips.make({**USUAL, **NAMED}[name])


@pytest.mark.parametrize("name", [*USUAL, *NAMED])
def test_every_known_format_is_decoded_exactly(name: str) -> None:
    clip = {**USUAL, **NAMED}[name]
    allowed = Allowed() if name in USUAL else EVERYTHING
    for sampling in ({"policy": "fps", "fps": 25, "max_frames": 100}, {"max_frames": 7}):
        frames = decode_video(
            made(name),
            sampling=VideoSampling(**sampling),
            max_frame_pixels=10**6,
            allowed=allowed,
        )
        shown = numbers(frames)
        assert frames.pts_s == pytest.approx([number / 25 for number in shown], abs=0.0011)
        if "fps" in sampling:
            assert shown == list(range(clip.frames))
        else:
            assert len(shown) == min(7, clip.frames)


@pytest.mark.parametrize("name", NAMED)
def test_what_must_be_named_fails_with_the_remedy(name: str) -> None:
    failure = failure_of(made(name))
    assert failure.code is FailureCode.FORMAT_NOT_ALLOWED
    assert "media.video_co" in failure.message


def test_every_known_format_has_a_clip() -> None:
    containers = {clip.container for clip in [*USUAL.values(), *NAMED.values()]}
    assert {"flv", "asf"} <= containers
    codecs = {clip.codec for clip in NAMED.values()}
    old = {codec_of(codec) for codec in codecs} - {"libx264"}
    assert old == set(get_args(VideoCodec)) - set(VIDEO_CODECS)


def test_a_job_narrows_what_is_decoded() -> None:
    mp4 = clips.make(Clip(options=X264_B_FRAMES, frames=5))
    for allowed, told in (
        (Allowed(("webm",)), "mp4 is not among media.video_containers (webm)"),
        (Allowed(codecs=("vp9", "av1")), "coded as h264, which is not among"),
    ):
        with pytest.raises(ItemFailure) as caught:
            decode_video(mp4, sampling=VideoSampling(), max_frame_pixels=10**6, allowed=allowed)
        assert caught.value.code is FailureCode.FORMAT_NOT_ALLOWED
        assert told in caught.value.message


def test_the_job_s_lists_reach_the_decoder(tmp_path) -> None:
    path = tmp_path / "a.mkv"
    path.write_bytes(made("h264 flv"))
    item = Item("a", MediaKind.VIDEO, "v1", (Medium(str(path), None, None),), ())
    codes = {}
    for containers in (VIDEO_CONTAINERS, (*VIDEO_CONTAINERS, "flv")):
        media = MediaSpec(video_containers=containers)
        operator = DecodeOperator(StorageSpec(), media, 10**6, 10**6)
        operator.setup()
        [one] = operator.decoded([item])
        operator.close()
        codes["flv" in containers] = one.failure and one.failure.code
    assert codes == {False: FailureCode.FORMAT_NOT_ALLOWED, True: None}


def test_the_job_file_takes_known_names_only() -> None:
    assert MediaSpec(video_codecs="h264").video_codecs == ("h264",)
    assert MediaSpec(video_containers=["mp4", "flv"]).video_containers == ("mp4", "flv")
    for wrong in ({"video_codecs": ["h265"]}, {"video_containers": ["hls"]}):
        with pytest.raises((ValueError, JobFileError)):
            MediaSpec(**wrong)


def test_a_wrong_suffix_does_not_matter(tmp_path) -> None:
    path = tmp_path / "really_an_mp4.mkv"
    path.write_bytes(clips.make(Clip(options=X264_B_FRAMES)))
    item = Item("a", MediaKind.VIDEO, "v1", (Medium(str(path), None, None),), ())
    operator = DecodeOperator(
        StorageSpec(), MediaSpec(video=VideoSampling(max_frames=5)), 10**6, 10**6
    )
    operator.setup()
    [one] = operator.decoded([item])
    operator.close()
    assert one.frames is not None
    assert one.frames.source_format == "mp4"
    assert numbers(one.frames) == list(range(10, 100, 20))


@pytest.mark.parametrize("suffix", sorted(VIDEO_SUFFIXES))
def test_files_of_every_suffix_are_videos(suffix: str) -> None:
    assert kind_from_name(f"a/B{suffix.upper()}") is MediaKind.VIDEO


PLAYLISTS = {
    "hls": b"#EXTM3U\n#EXT-X-VERSION:3\n#EXTINF:4,\nhttp://127.0.0.1:9/a.ts\n",
    "concat": b"ffconcat version 1.0\nfile 'http://127.0.0.1:9/a.mp4'\n",
    "dash": b'<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011"></MPD>',
    "sdp": b"v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nm=video 9 RTP/AVP 96\n",
}


@pytest.mark.parametrize("kind", PLAYLISTS)
def test_playlists_are_no_media_whatever_they_are_called(kind: str) -> None:
    assert failure_of(PLAYLISTS[kind]).code is FailureCode.NOT_MEDIA
    hidden = b"\x00\x00\x00\x14ftypisom\x00\x00\x00\x00" + PLAYLISTS[kind]
    assert failure_of(hidden).code in (FailureCode.TRUNCATED, FailureCode.CORRUPT)


@pytest.mark.parametrize(
    "place", [b"http://127.0.0.1:9/a.mp4\x00", b"file:///etc/hostname\x00"]
)
def test_a_track_whose_pictures_are_in_another_file_has_none(place: bytes, monkeypatch) -> None:
    """The data reference of QuickTime: FFmpeg is not to follow it, nor to ask for it."""
    asked: list[str] = []
    monkeypatch.setattr(
        "operators.video.opened.refuse_to_open", lambda url, *_: asked.append(url)
    )
    reference = b"\x00\x00\x00\x00\x00\x00\x00\x01" + (12 + len(place)).to_bytes(4, "big")
    elsewhere = boxes.with_box(
        clips.make(Clip("mov", options=X264_B_FRAMES, frames=5)),
        (*boxes.MEDIA, b"minf", b"dinf", b"dref"),
        lambda _: reference + b"url \x00\x00\x00\x00" + place,
    )
    failure = None
    try:
        decode_video(elsewhere, sampling=VideoSampling(), max_frame_pixels=10**6)
    except ItemFailure as caught:
        failure = caught
    assert failure is None or failure.code in (FailureCode.CORRUPT, FailureCode.NO_FRAMES)
    assert asked == []


def test_no_decoder_uses_hardware_and_every_one_is_there() -> None:
    for name in decoders(get_args(VideoCodec)).split(","):
        codec = av.codec.Codec(name, "r")
        assert not codec.capabilities & av.codec.Capabilities.hardware, name
        assert not name.endswith(("_cuvid", "_qsv", "_v4l2m2m", "_amf"))
    assert set(DEMUXERS) == set(get_args(VideoContainer))
