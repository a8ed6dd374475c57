"""Which containers are opened and which decoders run; nothing else is ever probed."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass

from schemas.failure import FailureCode, ItemFailure, Stage
from schemas.media import (
    MAX_DECODE_BYTES,
    VIDEO_CODECS,
    VIDEO_CONTAINERS,
    VideoCodec,
    VideoContainer,
)

DEMUXERS = {
    "mp4": "mov",
    "mov": "mov",
    "matroska": "matroska",
    "webm": "matroska",
    "mpegts": "mpegts",
    "avi": "avi",
    "mpegps": "mpeg",
    "flv": "flv",
    "asf": "asf",
}
"""FFmpeg's demuxer for each container."""

_DECODERS: dict[VideoCodec, tuple[str, ...]] = {
    "av1": ("libdav1d", "av1"),
    "flv1": ("flv",),
    "wmv1": ("wmv1",),
}
"""FFmpeg's decoders for a codec, where they are not named like it; none uses hardware."""


def decoders(codecs: Iterable[VideoCodec]) -> str:
    """FFmpeg's names of the decoders for some codecs, as its options take them."""
    return ",".join(name for codec in codecs for name in _DECODERS.get(codec, (codec,)))


def codec_of(decoder: str) -> str:
    """The codec that a decoder is for."""
    return next((codec for codec, names in _DECODERS.items() if decoder in names), decoder)


@dataclass(frozen=True)
class Allowed:
    """What a job allows to be decoded.

    Attributes:
        containers: As the content says.
        codecs: Likewise.
        decode_bytes: Most memory for the frames that a decoder holds.
    """

    containers: Collection[VideoContainer] = VIDEO_CONTAINERS
    codecs: Collection[VideoCodec] = VIDEO_CODECS
    decode_bytes: int = MAX_DECODE_BYTES

    def no_container(self, name: str) -> ItemFailure:
        """The failure of a video in another container."""
        is_known = name in DEMUXERS
        return ItemFailure(
            Stage.DECODE,
            FailureCode.FORMAT_NOT_ALLOWED,
            f"{name} is not among media.video_containers ({', '.join(self.containers)}); "
            f"{'add it there, or ' if is_known else ''}remux the video to one of them",
        )

    def no_codec(self, name: str) -> ItemFailure:
        """The failure of a video in another codec."""
        return ItemFailure(
            Stage.DECODE,
            FailureCode.FORMAT_NOT_ALLOWED,
            f"the video is coded as {name}, which is not among media.video_codecs "
            f"({', '.join(self.codecs)}); recode it as one of them, or add it there if "
            "Tagline knows it",
        )
