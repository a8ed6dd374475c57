"""What an image file claims, against what it may; nothing is allocated before."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

from PIL import Image

from operators.images.jpeg_scans import scans
from operators.images.memory import HELD_WHOLE, bytes_to_decode, bytes_to_open
from operators.signatures import FileType
from schemas.failure import FailureCode, ItemFailure, Stage

MAX_SCANS = 100
"""Scans of a JPEG; encoders write a dozen. Each one passes over all pixels."""

_TILE_WIDTH, _TILE_LENGTH = 322, 323


def _too_large(message: str) -> ItemFailure:
    return ItemFailure(Stage.DECODE, FailureCode.TOO_LARGE, message)


def check_size(size: tuple[int, int], kind: FileType, max_source_pixels: int) -> None:
    """Refuse an image that claims too many pixels.

    Args:
        size: (width, height) by its header.
        kind: For the message.
        max_source_pixels: How many are allowed.

    Raises:
        ItemFailure: TOO_LARGE.
    """
    width, height = size
    if width * height > max_source_pixels:
        raise _too_large(
            f"the {kind.name} claims {width} x {height} pixels, more than the "
            f"{max_source_pixels:,} allowed; raise media.max_source_pixels to take it"
        )


@dataclass(frozen=True)
class _Allowed:
    kind: FileType
    pixels: int
    decode_bytes: int

    def require_memory(self, needed: int, size: tuple[int, int]) -> None:
        if needed > self.decode_bytes:
            raise _too_large(
                f"the {self.kind.name} of {size[0]} x {size[1]} pixels takes about "
                f"{needed / 1024**3:.1f} GiB to decode, more than the "
                f"{self.decode_bytes / 1024**3:.1f} GiB allowed; raise media.max_decode_bytes "
                "to take it, or convert it to a baseline JPEG"
            )


_allowed: ContextVar[_Allowed | None] = ContextVar("allowed", default=None)


def _refuse_bombs(size: tuple[int, int], *, error_only: bool = False) -> None:
    allowed = _allowed.get()
    if allowed is not None:
        check_size(size, allowed.kind, allowed.pixels)


# Pillow asks this before it takes memory for what a frame of a GIF claims, which may be far
# larger than the canvas. Its own limit is one for all threads, and warns on stderr.
Image._decompression_bomb_check = _refuse_bombs


@contextlib.contextmanager
def limiting(kind: FileType, max_source_pixels: int, max_decode_bytes: int) -> Iterator[None]:
    """Inside, this thread's Pillow opens and plays nothing that claims more.

    Args:
        kind: For messages.
        max_source_pixels: How many pixels are allowed.
        max_decode_bytes: How much memory, see `check_memory`.
    """
    before = _allowed.set(_Allowed(kind, max_source_pixels, max_decode_bytes))
    try:
        yield
    finally:
        _allowed.reset(before)


def check_memory(image: Image.Image, source: tuple[int, int]) -> None:
    """Refuse, within `limiting`, an image that takes too much memory to decode.

    Args:
        image: Opened and not loaded; of a JPEG its reduced size counts.
        source: (width, height) by the header.

    Raises:
        ItemFailure: TOO_LARGE.
    """
    allowed = _allowed.get()
    if allowed is not None:
        allowed.require_memory(bytes_to_decode(image, allowed.kind, source), source)


def check_before_opening(data: bytes) -> None:
    """Check, within `limiting`, a WebP: its decoder takes the memory when it is made.

    Raises:
        ItemFailure: TOO_LARGE.
    """
    allowed = _allowed.get()
    if allowed is None or allowed.kind.name != "webp":
        return
    size = _webp_size(data[:30])
    if size is not None:
        check_size(size, allowed.kind, allowed.pixels)
        allowed.require_memory(bytes_to_open(size), size)


def check_opened(
    image: Image.Image, data: bytes, kind: FileType, max_source_pixels: int
) -> None:
    """Check what the headers say that Pillow has read.

    Raises:
        ItemFailure: TOO_LARGE.
    """
    check_size(image.size, kind, max_source_pixels)
    if kind.name == "jpeg":
        _check_scans(image, data)
    if kind.name == "tiff":
        # One tile is held whole, however little of it the picture needs.
        tags: Any = getattr(image, "tag_v2", {})
        tile = (int(tags.get(_TILE_WIDTH, 0)), int(tags.get(_TILE_LENGTH, 0)))
        check_size(tile, kind, max_source_pixels)


def _webp_size(head: bytes) -> tuple[int, int] | None:
    """(width, height) of the canvas; None if the header is cut or unknown."""
    if len(head) < 30:
        return None
    match head[12:16]:
        case b"VP8X":
            return (_little(head[24:27]) + 1, _little(head[27:30]) + 1)
        case b"VP8L":
            bits = _little(head[21:25])
            return ((bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1)
        case b"VP8 ":
            return (_little(head[26:28]) & 0x3FFF, _little(head[28:30]) & 0x3FFF)
    return None


def _little(field: bytes) -> int:
    return int.from_bytes(field, "little")


def _check_scans(image: Any, data: bytes) -> None:
    found = scans(data)
    # With all components in its first scan, a baseline JPEG has no other.
    if next(found, 0) >= len(image.layer) and not image.info.get("progressive"):
        return
    image.info[HELD_WHOLE] = True
    count = 1 + sum(1 for _ in found)
    if count > MAX_SCANS:
        raise _too_large(
            f"the jpeg has {count:,} scans, more than the {MAX_SCANS} that are decoded; "
            "convert it to a baseline JPEG"
        )
