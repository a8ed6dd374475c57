"""The same film in every container, made once and kept."""

from __future__ import annotations

import os
from collections.abc import Callable
from itertools import islice
from pathlib import Path

import av

from tests.bench.media.film import FPS, Film, ensure_film

LONG_GOP, SHORT_GOP = 250, 48
WEBM_S = 60

WITHOUT_INDEX = ("MP4, no list", "MKV, no cues", "MPEG-TS")
"""Of which the whole file is fetched, whatever is wanted."""

_FRAGMENTED = "frag_keyframe+empty_moov"


def ensure_films(folder: Path, seconds: int) -> dict[str, Path]:
    """By name, where each lies; of one group length all but the WebM hold the same packets.

    Args:
        folder: Where they are kept.
        seconds: How long they are.
    """
    short = ensure_film(Film(seconds, SHORT_GOP), folder)
    long = ensure_film(Film(seconds, LONG_GOP), folder)
    remuxed: dict[str, tuple[Path, str, dict[str, str]]] = {
        "MP4, moov first": (short, "mp4", {"movflags": "faststart"}),
        "MP4, fragmented": (short, "mp4", {"movflags": _FRAGMENTED}),
        "MP4, streamed": (short, "mp4", {"movflags": f"{_FRAGMENTED}+dash+global_sidx"}),
        "MP4, no list": (short, "mp4", {"movflags": f"{_FRAGMENTED}+skip_trailer"}),
        "MKV": (short, "matroska", {}),
        "MKV, no cues": (short, "matroska", {"live": "1"}),
        "MPEG-TS": (short, "mpegts", {}),
        "MP4, GOP 250": (long, "mp4", {"movflags": "faststart"}),
    }
    films = {"MP4, moov last": short}
    for name, (source, container, options) in remuxed.items():
        path = folder / f"{source.stem}-{name.replace(' ', '').replace(',', '-')}"
        films[name] = _once(
            path, lambda to, s=source, c=container, o=options: _remux(s, to, c, o)
        )
    webm = folder / f"{short.stem}-{WEBM_S}s-webm"
    films["WebM"] = _once(webm, lambda to: _as_webm(short, to))
    return films


def _once(path: Path, make: Callable[[Path], None]) -> Path:
    if not path.exists():
        unfinished = path.with_suffix(f".{os.getpid()}.part")
        make(unfinished)
        unfinished.replace(path)
    return path


def _remux(source: Path, to: Path, container: str, options: dict[str, str]) -> None:
    with (
        av.open(str(source)) as read,
        av.open(str(to), "w", format=container, options=options) as written,
    ):
        video = read.streams.video[0]
        stream = written.add_stream_from_template(video)
        for packet in read.demux(video):
            if packet.dts is not None:
                packet.stream = stream
                written.mux(packet)


def _as_webm(source: Path, to: Path) -> None:
    """VP9 of the film's beginning: encoding all of it would take longer than all the rest."""
    options = {"deadline": "realtime", "cpu-used": "8", "g": str(SHORT_GOP), "row-mt": "0"}
    with av.open(str(source)) as read, av.open(str(to), "w", format="webm") as written:
        video = read.streams.video[0]
        stream = written.add_stream("libvpx-vp9", rate=FPS, options=options)
        stream.width, stream.height, stream.pix_fmt = video.width, video.height, "yuv420p"
        stream.codec_context.bit_rate = 6_000_000
        for frame in islice(read.decode(video), WEBM_S * FPS):
            written.mux(stream.encode(frame))
        written.mux(stream.encode(None))
