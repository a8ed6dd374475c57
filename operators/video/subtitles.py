"""Subtitles: text streams of a video, and .srt and .vtt files; FFmpeg reads both."""

from __future__ import annotations

import codecs
import io
import re
from collections.abc import Callable, Iterator
from pathlib import PurePosixPath
from typing import Any, BinaryIO

import av
import av.error

from operators.video.isolation import as_it_comes, refuse_to_open
from schemas.failure import FailureCode, ItemFailure, Stage
from schemas.media import Cue

TEXT_CODECS = frozenset({"subrip", "srt", "mov_text", "webvtt", "ass", "ssa", "text"})
"""Subtitles that are text; those that are pictures are not read."""

MAX_CUES = 50_000
MAX_CUE_CHARS = 500
MAX_FILE_BYTES = 16 * 1024**2

_FORMATS = {".srt": "srt", ".vtt": "webvtt"}
_OVERRIDES = re.compile(r"\{\\[^}]*\}")


def embedded_cues(
    file: BinaryIO, demuxer: str, start_s: float, check_time: Callable[[], None]
) -> tuple[Cue, ...]:
    """Read the first text subtitles of a video; none if it has none.

    Args:
        file: The video, seekable.
        demuxer: FFmpeg's name of its container.
        start_s: Where the video stream begins on the container's clock, seconds.
        check_time: Called before each packet; ends the reading by raising `ItemFailure`.

    Raises:
        av.error.FFmpegError: If the container is damaged.
        PermissionError: If it refers to another file.
    """
    file.seek(0)
    options = {"codec_whitelist": ",".join(sorted(TEXT_CODECS))}
    with av.open(
        as_it_comes(file),
        format=demuxer,
        options=options,
        io_open=refuse_to_open,
        metadata_errors="replace",
    ) as container:
        for stream in container.streams.subtitles:
            context = stream.codec_context
            if context is not None and context.codec.name in TEXT_CODECS:
                return _cues(container, stream, start_s, check_time)
    return ()


def cues_of_file(data: bytes, uri: str) -> tuple[Cue, ...]:
    """Read a subtitle file.

    Raises:
        ItemFailure: CORRUPT if it holds no cue, at the stage decode.
    """
    suffix = PurePosixPath(uri).suffix.lower()
    text = io.BytesIO(_as_unicode(data).encode())
    try:
        form = _FORMATS.get(suffix, "srt")
        with av.open(text, format=form, io_open=refuse_to_open) as container:
            cues = _cues(container, container.streams.subtitles[0], 0.0, lambda: None)
    except (av.error.FFmpegError, IndexError, ValueError) as error:
        raise _unreadable(uri, str(error)) from error
    if not cues:
        raise _unreadable(uri, "there is no line of text with its time in it")
    return cues


def _unreadable(uri: str, why: str) -> ItemFailure:
    return ItemFailure(
        Stage.DECODE, FailureCode.CORRUPT, f"the subtitles {uri} cannot be read: {why}"
    )


def _as_unicode(data: bytes) -> str:
    """UTF-8 or UTF-16 by its mark; what is no UTF-8 is taken as Windows wrote it for long."""
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return data.decode("utf-16", errors="replace")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return data.decode("cp1252", errors="replace")


def _cues(
    container: Any, stream: Any, start_s: float, check_time: Callable[[], None]
) -> tuple[Cue, ...]:
    for other in container.streams:
        if other is not stream:
            other.discard = av.stream.Discard.all
    found: list[Cue] = []
    for packet in container.demux(stream):
        check_time()
        if packet.size and packet.pts is not None:
            begin = float(packet.pts * packet.time_base) - start_s
            end = begin + float((packet.duration or 0) * packet.time_base)
            found += [Cue(begin, end, text) for text in _texts(packet)]
        if len(found) >= MAX_CUES:
            break
    return tuple(sorted(found, key=lambda cue: cue.start_s))


def _texts(packet: Any) -> Iterator[str]:
    try:
        decoded = packet.decode()
    except av.error.InvalidDataError:
        return
    for subtitle in decoded:
        said = getattr(subtitle, "dialogue", b"").decode("utf-8", errors="replace")
        plain = _OVERRIDES.sub("", said.replace("\\N", " ").replace("\\h", " "))
        text = " ".join(plain.split())[:MAX_CUE_CHARS]
        if text:
            yield text
