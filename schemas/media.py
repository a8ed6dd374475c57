"""Media before and after decoding."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from pathlib import PurePosixPath
from typing import Literal, get_args

ImageFormat = Literal["jpeg", "png", "webp", "avif", "heic", "gif", "tiff", "bmp"]
IMAGE_FORMATS: tuple[ImageFormat, ...] = get_args(ImageFormat)
"""What images are taken, as their content says."""

MAX_DECODE_BYTES = 2 * 1024**3
"""Most memory that decoding an image takes, unless the job says otherwise."""

IMAGE_SUFFIXES = frozenset(
    {".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".apng", ".webp", ".avif", ".heic", ".heif"}
    | {".hif", ".gif", ".bmp", ".tif", ".tiff"}
)
ANIMATION_SUFFIXES = frozenset({".gif", ".apng"})
"""Those of them that are mostly moving pictures."""
SUBTITLE_SUFFIXES = frozenset({".srt", ".vtt"})

UsualContainer = Literal["mp4", "mov", "matroska", "webm", "mpegts", "avi", "mpegps"]
VideoContainer = Literal[UsualContainer, "flv", "asf"]
VIDEO_CONTAINERS: tuple[UsualContainer, ...] = get_args(UsualContainer)
"""What videos are taken unless the job says otherwise, as their content says."""

UsualCodec = Literal[
    "h264",
    "hevc",
    "av1",
    "vp9",
    "vp8",
    "mpeg4",
    "mpeg2video",
    "mpeg1video",
    "mjpeg",
    "prores",
]
EditingCodec = Literal["dnxhd", "dvvideo", "ffv1", "png", "qtrle"]
OldCodec = Literal["h263", "flv1", "wmv1", "wmv2", "msmpeg4"]
VideoCodec = Literal[UsualCodec, EditingCodec, OldCodec]
VIDEO_CODECS: tuple[UsualCodec, ...] = get_args(UsualCodec)
"""Likewise."""

VIDEO_SUFFIXES = frozenset(
    {".mp4", ".m4v", ".3gp", ".3g2", ".mov", ".qt", ".mkv", ".webm", ".avi"}
    | {".ts", ".mts", ".m2ts", ".m2t", ".mpg", ".mpeg", ".vob"}
)


class MediaKind(StrEnum):
    """What an item is made of; decides which tasks it can be given."""

    IMAGE = "image"
    IMAGES = "images"
    VIDEO = "video"


def kind_from_name(name: str, animated: MediaKind = MediaKind.IMAGE) -> MediaKind | None:
    """Guess a file's kind from its suffix; None if it is no image or video we take.

    The guess is confirmed from the content at decode.

    Args:
        name: A path, or a file's name.
        animated: What files are whose suffix is one of `ANIMATION_SUFFIXES`.
    """
    suffix = PurePosixPath(name).suffix.lower()
    if suffix in ANIMATION_SUFFIXES:
        return animated
    if suffix in IMAGE_SUFFIXES:
        return MediaKind.IMAGE
    if suffix in VIDEO_SUFFIXES:
        return MediaKind.VIDEO
    return None


@dataclass(frozen=True)
class Cue:
    """Words that are said or shown in a video, from its subtitles.

    Attributes:
        start_s: Seconds from the start of the video stream.
        end_s: Likewise.
        text: The words, on one line.
    """

    start_s: float
    end_s: float
    text: str


@dataclass(frozen=True)
class Part:
    """One of the rows in which a video travels that was cut into windows.

    Attributes:
        number: From 0 on, in order.
        count: How many parts there are, on the last one; that one is no window.
    """

    number: int
    count: int | None = None

    @property
    def is_window(self) -> bool:
        """Whether it holds frames that follow one another."""
        return self.count is None


@dataclass(frozen=True)
class Frames:
    """The decoded pixels of one item, in one contiguous buffer.

    Frame ``i`` is RGB, 8 bits a channel, row by row; its ``height * width * 3`` bytes
    follow those of frame ``i - 1`` without a gap. The buffer may be any object with the
    buffer protocol (bytes, bytearray, a view into Ray's object store).

    Attributes:
        kind: image (one frame), images (one frame an image) or video.
        pixels: The buffer, of ``sum(height * width * 3)`` bytes.
        shapes: (height, width) of each frame, in pixels.
        pts_s: For video, the presentation time of each frame in seconds from the
            start of the stream; empty otherwise.
        requested_s: For video, the moment for which each frame was taken, likewise; empty if
            that is not known.
        source_width: Width of the first medium as shown (orientation applied), pixels.
        source_height: Height likewise.
        duration_s: For video, its duration in seconds.
        source_format: Container or image format, in lower case (``jpeg``, ``mp4``).
        cues: For video, its subtitles, in order.
    """

    kind: MediaKind
    pixels: bytes | bytearray | memoryview
    shapes: tuple[tuple[int, int], ...]
    pts_s: tuple[float, ...] = ()
    requested_s: tuple[float, ...] = ()
    source_width: int = 0
    source_height: int = 0
    duration_s: float | None = None
    source_format: str = ""
    cues: tuple[Cue, ...] = ()

    def __post_init__(self) -> None:
        expected = sum(height * width * 3 for height, width in self.shapes)
        held = memoryview(self.pixels).nbytes
        if held != expected:
            raise ValueError(
                f"pixels hold {held} bytes but shapes {self.shapes} need {expected}"
            )
        if self.kind is MediaKind.VIDEO and len(self.pts_s) != len(self.shapes):
            raise ValueError(f"{len(self.pts_s)} pts for {len(self.shapes)} frames")
        if self.requested_s and len(self.requested_s) != len(self.pts_s):
            raise ValueError(f"{len(self.requested_s)} moments for {len(self.pts_s)} pts")

    def offsets(self) -> list[int]:
        """Byte offset of each frame in ``pixels``."""
        starts, position = [], 0
        for height, width in self.shapes:
            starts.append(position)
            position += height * width * 3
        return starts


NO_FRAMES = Frames(MediaKind.IMAGE, b"", ())
"""No pixels: for what is asked about text alone."""
