"""Which subtitle file goes with which video: ``a.srt`` or ``a.en.vtt`` with ``a.mp4``."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import PurePosixPath

from operators.storage import ObjectInfo
from schemas.media import SUBTITLE_SUFFIXES, MediaKind

_LANGUAGE = re.compile(r"[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8})*")

Paired = tuple[ObjectInfo, MediaKind, ObjectInfo | None]


def is_subtitles(name: str) -> bool:
    """Whether a file's suffix is that of subtitles."""
    return PurePosixPath(name).suffix.lower() in SUBTITLE_SUFFIXES


def paired(files: Iterable[tuple[ObjectInfo, MediaKind | None]]) -> Iterator[Paired]:
    """Give each video its subtitles, while files stream by.

    Names that begin alike come one after another, so a video waits only until the first
    name that does not begin like its own, and a subtitle file likewise.

    Args:
        files: In the order of their names; subtitles have no kind.

    Yields:
        Images and videos, with the best subtitle file beside them: of the video's very
        name, else the first language by name.
    """
    videos: list[ObjectInfo] = []
    subtitles: list[ObjectInfo] = []
    for info, kind in files:
        done = [video for video in videos if not info.uri.startswith(_stem(video.uri) + ".")]
        yield from _released(done, subtitles)
        videos = [video for video in videos if video not in done]
        subtitles = [one for one in subtitles if info.uri.startswith(stems(one.uri)[-1] + ".")]
        if kind is None:
            subtitles.append(info)
        elif kind is MediaKind.VIDEO:
            videos.append(info)
        else:
            yield info, kind, None
    yield from _released(videos, subtitles)


def _released(videos: list[ObjectInfo], subtitles: list[ObjectInfo]) -> Iterator[Paired]:
    for video in videos:
        stem = _stem(video.uri)
        fitting = [one for one in subtitles if stem in stems(one.uri)]
        best = min(fitting, key=lambda one: (stems(one.uri)[0] != stem, one.uri), default=None)
        yield video, MediaKind.VIDEO, best


def _stem(uri: str) -> str:
    return uri[: -len(PurePosixPath(uri).suffix)]


def stems(uri: str) -> list[str]:
    """What a video is called without its suffix that these are the subtitles of.

    The file's own name without suffix, and that without a language before it.
    """
    whole = _stem(uri)
    rest, _, language = whole.rpartition(".")
    if rest and not rest.endswith("/") and _LANGUAGE.fullmatch(language):
        return [whole, rest]
    return [whole]
