"""From a video file to the sampled frames."""

from __future__ import annotations

import contextlib
import io
import math
from collections.abc import Callable, Iterator
from typing import BinaryIO

import av.error

from operators.signatures import HEAD_BYTES, FileType, expect
from operators.storage.ranged import RangedFile
from operators.video.damage import Damage, failure_of
from operators.video.formats import DEMUXERS, Allowed
from operators.video.iso_claims import check_claims
from operators.video.opened import VideoReader
from operators.video.policies import sampler_of
from operators.video.sampled import Sampler
from operators.video.sink import Thinned, Window
from operators.video.structure import is_cut_off
from operators.video.subtitles import embedded_cues
from schemas.failure import FailureCode, ItemFailure
from schemas.job import VideoSampling
from schemas.media import Cue, Frames, MediaKind, Part

USUAL = Allowed()
"""What is decoded unless the job says otherwise."""


def _recognise(file: BinaryIO, allowed: Allowed, damage: Damage) -> FileType:
    size = file.seek(0, io.SEEK_END)
    file.seek(0)
    found = expect(file.read(HEAD_BYTES), MediaKind.VIDEO, allowed.containers, "remux")
    if found.name not in allowed.containers:
        raise allowed.no_container(found.name)
    if is_cut_off(file, size, found):
        damage.meet(
            "end",
            FailureCode.TRUNCATED,
            f"the {found.name} of {size:,} bytes is shorter than its own headers say",
        )
    if DEMUXERS[found.name] == "mov":
        check_claims(file, size, found.name)
    return found


@contextlib.contextmanager
def _mapping_errors(file_type: FileType, damage: Damage) -> Iterator[None]:
    """Turn whatever PyAV raises into an `ItemFailure`; of a file that is cut off, into that."""
    try:
        yield
    except (av.error.FFmpegError, PermissionError, ValueError) as error:
        raise damage.cause_of(failure_of(error, file_type.name)) from error
    except ItemFailure as failure:
        cause = damage.cause_of(failure)
        if cause is failure:
            raise
        raise cause from failure


@contextlib.contextmanager
def _telling_why(file: BinaryIO) -> Iterator[None]:
    """Raise why a remote file could not be read, which FFmpeg may take for its end."""
    try:
        yield
    finally:
        if isinstance(file, RangedFile) and file.failure is not None:
            raise file.failure


@contextlib.contextmanager
def _opened(
    source: bytes | BinaryIO,
    sampling: VideoSampling,
    cues: tuple[Cue, ...],
    check_time: Callable[[], None],
    allowed: Allowed,
) -> Iterator[tuple[VideoReader, str, tuple[Cue, ...]]]:
    """An opened video, the name of its container, and the subtitles given, or its own."""
    file = io.BytesIO(source) if isinstance(source, bytes) else source
    damage = Damage(sampling.damaged)
    file_type = _recognise(file, allowed, damage)
    with _mapping_errors(file_type, damage), _telling_why(file):
        reader = VideoReader(file, file_type, check_time, allowed, damage)
        with contextlib.closing(reader):
            if sampling.subtitles and not cues and reader.container.streams.subtitles:
                # One reads the file at a time; the video is opened anew after that.
                start_s = float(reader.start * reader.tick_s)
                reader.close()
                try:
                    cues = embedded_cues(file, DEMUXERS[file_type.name], start_s, check_time)
                except av.error.FFmpegError as error:
                    lost = failure_of(error, f"subtitles of the {file_type.name}")
                    damage.meet("subtitles", lost.code, lost.message, error)
                except IndexError as error:  # As in `VideoReader.packets`.
                    damage.meet(
                        "subtitles",
                        FailureCode.CORRUPT,
                        f"the {file_type.name} has packets of a stream that was not there at "
                        "its start, so that its subtitles cannot be read; remux it",
                        error,
                    )
                reader.rewind()
            yield reader, file_type.name, cues


def decode_video(
    source: bytes | BinaryIO,
    *,
    sampling: VideoSampling,
    max_frame_pixels: int,
    cues: tuple[Cue, ...] = (),
    check_time: Callable[[], None] = lambda: None,
    allowed: Allowed = USUAL,
    note: Callable[[ItemFailure], None] = lambda _: None,
) -> Frames:
    """Decode the frames of a video that a sampling policy wants, and its text subtitles.

    Frames are upright RGB. Exact: each is the one on screen at the wanted moment. Only the
    groups of pictures that hold wanted frames are decoded, and of H.264, where its headers
    tell, only the pictures that those depend on.

    Args:
        source: The file's bytes, or the file itself, open and seekable. Never a path or
            an address.
        sampling: Which frames; at most ``max_frames``, it is not cut into windows.
        max_frame_pixels: Most pixels of each frame.
        cues: Its subtitles, if they are known; its own streams are not read then.
        check_time: Called before each packet; ends the decode by raising `ItemFailure`.
        allowed: Containers and codecs; those of others fail.
        note: Told at the end what was lost of a damaged video that is used all the same.

    Raises:
        ItemFailure: EMPTY_FILE, NOT_MEDIA, FORMAT_NOT_ALLOWED, NO_VIDEO_STREAM, NO_FRAMES,
            TOO_LARGE, TRUNCATED or CORRUPT, at the stage decode.
    """
    with _opened(source, sampling, cues, check_time, allowed) as (reader, container, said):
        sampler = sampler_of(reader, sampling, max_frame_pixels)
        [window] = sampler.decode()
        _tell(reader, sampler, note)
        return _frames(sampler, window, container, said)


def decode_long_video(
    source: bytes | BinaryIO,
    *,
    sampling: VideoSampling,
    max_frame_pixels: int,
    overview: bool,
    cues: tuple[Cue, ...] = (),
    check_time: Callable[[], None] = lambda: None,
    allowed: Allowed = USUAL,
    note: Callable[[ItemFailure], None] = lambda _: None,
) -> Iterator[tuple[Frames, Part | None]]:
    """Like `decode_video`, but cut a video into windows if the policy wants more frames.

    Args:
        source: As for `decode_video`.
        sampling: Which frames; each window has at most ``max_frames``.
        max_frame_pixels: Most pixels of each frame.
        overview: Whether frames from all over a video that was cut are wanted, too.
        cues: As for `decode_video`.
        check_time: As for `decode_video`.
        allowed: As for `decode_video`.
        note: As for `decode_video`, before the last frames are given.

    Yields:
        The frames of the whole video, without a part, where one window holds them all.
        Else each window, with the subtitles that are shown during it, as soon as it is
        there; and last the overview: evenly thinned to ``max_frames``, with all subtitles,
        or without a frame if it is not wanted.

    Raises:
        ItemFailure: As for `decode_video`; perhaps after some windows.
    """
    with _opened(source, sampling, cues, check_time, allowed) as (reader, container, said):
        sampler = sampler_of(reader, sampling, max_frame_pixels, sampling.max_windows)
        thinned = Thinned(sampling.max_frames if overview else 0)
        number = 0
        for window in sampler.decode():
            if number == 0 and window.until is None:
                _tell(reader, sampler, note)
                yield _frames(sampler, window, container, said), None
                return
            if window.pts:
                thinned.add(window, sampler.start, sampler.duration)
                meanwhile = _during(said, sampler, window, number)
                yield _frames(sampler, window, container, meanwhile), Part(number)
                number += 1
        _tell(reader, sampler, note)
        whole = thinned.window()
        yield _frames(sampler, whole, container, said), Part(number, number + 1)


def _tell(reader: VideoReader, sampler: Sampler, note: Callable[[ItemFailure], None]) -> None:
    for lost in reader.damage.told(sampler.duration_s):
        note(lost)


def _frames(sampler: Sampler, window: Window, container: str, cues: tuple[Cue, ...]) -> Frames:
    width, height = sampler.source_size
    return Frames(
        kind=MediaKind.VIDEO,
        pixels=window.pixels,
        shapes=window.shapes,
        pts_s=tuple(sampler.seconds(pts) for pts in window.pts),
        requested_s=tuple(sampler.requested(window.pts)),
        source_width=width,
        source_height=height,
        duration_s=sampler.duration_s,
        source_format=container,
        cues=cues,
    )


def _during(
    cues: tuple[Cue, ...], sampler: Sampler, window: Window, number: int
) -> tuple[Cue, ...]:
    """What is said from a window's first frame, or the very start, to the next window's."""
    start_s = sampler.seconds(window.pts[0]) if number else -math.inf
    end_s = math.inf if window.until is None else sampler.seconds(window.until)
    return tuple(cue for cue in cues if cue.start_s < end_s and cue.end_s > start_s)
