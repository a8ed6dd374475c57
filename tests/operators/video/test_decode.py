import functools
import io

import av
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from operators.video.decode import decode_video
from operators.video.formats import Allowed
from schemas.failure import FailureCode, ItemFailure, Stage
from schemas.job import VideoSampling
from schemas.media import Frames, MediaKind
from tests.media import clips
from tests.media.clips import CLIPS, X264_B_FRAMES, Clip

SMALL, LARGE = (64, 32), (256, 128)


@functools.cache
def clip(name: str) -> bytes:
    return clips.make(CLIPS[name])


def decode(data: bytes, max_frame_pixels: int = 10**6, **sampling) -> Frames:
    return decode_video(
        data, sampling=VideoSampling(**sampling), max_frame_pixels=max_frame_pixels
    )


def numbers(frames: Frames) -> list[int]:
    pixels = memoryview(frames.pixels)
    found = []
    for start, (height, width) in zip(frames.offsets(), frames.shapes, strict=True):
        frame = np.frombuffer(pixels[start : start + height * width * 3], np.uint8)
        found.append(clips.read_number(frame.reshape(height, width, 3)))
    return found


def failure_of(data: bytes, **sampling) -> ItemFailure:
    with pytest.raises(ItemFailure) as caught:
        decode(data, **sampling)
    assert caught.value.stage is Stage.DECODE
    return caught.value


def on_screen(name: str, time_s: float) -> int:
    """The number of the frame shown at a time: by definition, with no container in sight."""
    pts = CLIPS[name].pts or range(CLIPS[name].frames)
    return max(n for n, tick in enumerate(pts) if tick / CLIPS[name].fps <= time_s + 0.0005)


def assert_times_match(name: str, frames: Frames) -> None:
    pts = CLIPS[name].pts or range(CLIPS[name].frames)
    times = [pts[number] / CLIPS[name].fps for number in numbers(frames)]
    assert frames.pts_s == pytest.approx(times, abs=0.0011)


@pytest.mark.parametrize("name", CLIPS)
@pytest.mark.parametrize("max_frames", [1, 13, 100])
def test_uniform_frames_are_exact(name: str, max_frames: int) -> None:
    frames = decode(clip(name), max_frames=max_frames)
    duration_s = frames.duration_s
    targets = [duration_s * (2 * i + 1) / (2 * max_frames) for i in range(max_frames)]
    expected = sorted({on_screen(name, target) for target in targets})
    assert numbers(frames) == expected
    assert_times_match(name, frames)
    assert frames.kind is MediaKind.VIDEO
    assert (frames.source_width, frames.source_height) == (clips.WIDTH, clips.HEIGHT)


@pytest.mark.parametrize("name", CLIPS)
def test_frames_by_rate_are_exact(name: str) -> None:
    frames = decode(clip(name), policy="fps", fps=5, max_frames=1024)
    ticks = int(np.ceil(frames.duration_s * 5 - 1e-6))
    expected = sorted({on_screen(name, k / 5) for k in range(ticks)})
    assert numbers(frames) == expected
    assert_times_match(name, frames)


@pytest.mark.parametrize("name", CLIPS)
def test_keyframes_are_those_of_the_stream(name: str) -> None:
    with av.open(io.BytesIO(clip(name))) as container:
        expected = [n for n, frame in enumerate(container.decode(video=0)) if frame.key_frame]
    frames = decode(clip(name), policy="keyframes", max_frames=100)
    assert numbers(frames) == expected
    assert_times_match(name, frames)
    assert numbers(decode(clip(name), policy="keyframes", max_frames=1))[0] in expected


@pytest.mark.parametrize("name", ["h264 open gop", "hevc open gop", "h264 mkv", "h264 ts"])
def test_every_single_frame_can_be_reached_alone(name: str) -> None:
    every = decode(clip(name), policy="fps", fps=25, max_frames=1024)
    assert numbers(every) == list(range(100))
    one = [numbers(decode(clip(name), max_frames=count))[0] for count in range(1, 40, 3)]
    expected = [on_screen(name, 4 / (2 * count)) for count in range(1, 40, 3)]
    assert one == expected


@given(
    st.sampled_from(["h264 open gop", "hevc open gop", "h264 variable rate", "vp9 webm"]),
    st.integers(1, 40),
)
@settings(max_examples=30, deadline=None)
def test_any_budget_is_exact(name: str, max_frames: int) -> None:
    frames = decode(clip(name), max_frames=max_frames)
    assert len(frames.shapes) <= max_frames
    assert_times_match(name, frames)


def test_frames_are_shrunk_and_still_readable() -> None:
    frames = decode(clip("h264"), max_frames=5, max_frame_pixels=2000)
    assert set(frames.shapes) == {(31, 63)}
    assert_times_match("h264", frames)


def test_a_file_decodes_as_its_bytes_do(tmp_path) -> None:
    path = tmp_path / "a.mp4"
    path.write_bytes(clip("h264"))
    with path.open("rb") as file:
        from_file = decode(file, max_frames=7)
        assert not file.closed
    assert bytes(from_file.pixels) == bytes(decode(clip("h264"), max_frames=7).pixels)


@pytest.mark.parametrize("rotation", [90, 180, -90])
def test_rotation_is_applied(rotation: int) -> None:
    turned = decode(clips.make(Clip(options=X264_B_FRAMES, rotation=rotation)), max_frames=3)
    upright = decode(clip("h264"), max_frames=3)
    shown = np.frombuffer(upright.pixels, np.uint8).reshape(3, clips.HEIGHT, clips.WIDTH, 3)
    expected = np.rot90(shown, rotation // 90, axes=(1, 2))
    assert set(turned.shapes) == {expected.shape[1:3]}
    assert (turned.source_height, turned.source_width) == expected.shape[1:3]
    assert np.array_equal(np.frombuffer(turned.pixels, np.uint8), expected.ravel())


def test_one_frame_is_a_video() -> None:
    frames = decode(clips.make(Clip(options=X264_B_FRAMES, frames=1)), max_frames=8)
    assert (numbers(frames), frames.pts_s) == ([0], (0.0,))


def test_a_cover_picture_is_not_the_video() -> None:
    assert failure_of(clips.audio_with_cover()).code is FailureCode.NO_VIDEO_STREAM


@pytest.mark.parametrize(
    "name", ["h264", "h264 fragmented", "h264 mkv", "vp9 webm", "mpeg4 avi"]
)
@pytest.mark.parametrize("part", [0.2, 0.6, 0.95])
def test_a_cut_file_is_truncated(name: str, part: float) -> None:
    data = clip(name)
    assert failure_of(data[: int(len(data) * part)]).code is FailureCode.TRUNCATED


def test_what_is_no_video_to_decode() -> None:
    expected = {
        b"": FailureCode.EMPTY_FILE,
        b"text named .mp4\n" * 100: FailureCode.NOT_MEDIA,
        b"\x89PNG\r\n\x1a\n" + bytes(500): FailureCode.NOT_MEDIA,
        b"FLV\x01\x05" + bytes(500): FailureCode.FORMAT_NOT_ALLOWED,
        clips.audio_only(): FailureCode.NO_VIDEO_STREAM,
        clips.without_frames(): FailureCode.NO_FRAMES,
        clip("h264").replace(b"avc1", b"flic"): FailureCode.FORMAT_NOT_ALLOWED,
        clip("h264")[:40]: FailureCode.CORRUPT,
    }
    assert {data: failure_of(data).code for data in expected} == expected


def test_a_damaged_frame_is_not_passed_over() -> None:
    data = bytearray(clip("vp9 webm"))
    middle = len(data) // 2
    data[middle : middle + 1500] = np.random.default_rng(1).bytes(1500)
    assert failure_of(bytes(data), max_frames=100).code is FailureCode.CORRUPT


def test_a_huge_picture_is_refused(monkeypatch) -> None:
    monkeypatch.setattr("operators.video.frame_memory.MAX_VIDEO_PIXELS", 1000)
    failure = failure_of(clip("h264"))
    assert failure.code is FailureCode.TOO_LARGE
    assert "more than the 1,000 that are decoded" in failure.message


def test_frames_that_together_take_too_much_memory_are_refused() -> None:
    frame_bytes = clips.WIDTH * clips.HEIGHT * 12 // 8

    def told(name: str, frames: int) -> str:
        how = {"sampling": VideoSampling(max_frames=2), "max_frame_pixels": 10**6}
        allowed = Allowed(decode_bytes=frames * frame_bytes)
        try:
            decode_video(clip(name), allowed=allowed, **how)
        except ItemFailure as failure:
            assert failure.code is FailureCode.TOO_LARGE
            return failure.message
        return "decoded"

    assert told("h264", 16) == told("vp9 webm", 10) == "decoded"
    assert "media.max_decode_bytes" in told("h264", 15)
    assert "10 frames of 12 bits" in told("vp9 webm", 9)


def test_a_video_that_grows_on_its_way_is_held_to_the_same_limit() -> None:
    small, large = (
        clips.make(Clip(container="mpegts", size=size, frames=30)) for size in (SMALL, LARGE)
    )

    def decoded(decode_bytes: int) -> Frames:
        return decode_video(
            small + large,
            sampling=VideoSampling(max_frames=60, damaged="use"),
            max_frame_pixels=10**6,
            allowed=Allowed(decode_bytes=decode_bytes),
        )

    assert set(decoded(10**9).shapes) == {SMALL[::-1], LARGE[::-1]}
    assert set(decoded(16 * SMALL[0] * SMALL[1] * 12 // 8).shapes) == {SMALL[::-1]}


def test_the_time_limit_stops_the_decode() -> None:
    calls = 0

    def check_time() -> None:
        nonlocal calls
        calls += 1
        if calls > 20:
            raise ItemFailure(Stage.DECODE, FailureCode.DECODE_TIMEOUT, "late")

    with pytest.raises(ItemFailure) as caught:
        decode_video(
            clip("h264"),
            sampling=VideoSampling(max_frames=100),
            max_frame_pixels=10**6,
            check_time=check_time,
        )
    assert caught.value.code is FailureCode.DECODE_TIMEOUT
    assert calls == 21


@given(st.sampled_from(["h264", "h264 mkv", "vp8 webm", "mpeg2 ts", "mpeg4 avi"]), st.data())
@settings(max_examples=80, deadline=None)
def test_damage_gives_frames_or_a_failure_and_nothing_else(name: str, data) -> None:
    damaged = bytearray(clip(name))
    for _ in range(data.draw(st.integers(1, 8))):
        place = data.draw(st.integers(0, len(damaged) - 1))
        damaged[place] = data.draw(st.integers(0, 255))
    try:
        decode(bytes(damaged), max_frames=4)
    except ItemFailure as failure:
        assert failure.stage is Stage.DECODE


def test_packets_of_a_stream_that_was_not_there_at_the_start_are_a_failure() -> None:
    packet = 188
    damaged = bytearray(clip("mpeg2 ts"))
    # The low byte of a packet's stream id.
    damaged[61 * packet + 2] ^= 0xFF
    failure = failure_of(bytes(damaged), max_frames=4)
    assert failure.code is FailureCode.CORRUPT
    assert "a stream that was not there at its start" in failure.message


def test_nothing_is_printed_about_broken_videos(capfd) -> None:
    damaged = bytearray(clip("h264 mkv"))
    damaged[2000:3500] = np.random.default_rng(1).bytes(1500)
    assert failure_of(bytes(damaged), max_frames=100).code is FailureCode.CORRUPT
    assert capfd.readouterr() == ("", "")
