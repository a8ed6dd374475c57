"""JPEGs that cost a decoder what photographs cost: smooth light, texture and sensor noise."""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from PIL import Image

QUALITY = 85
_START_OF_IMAGE = b"\xff\xd8"
_COMMENT = b"\xff\xfe"


@dataclass(frozen=True)
class PhotoSet:
    """A set of photographs of one size.

    Attributes:
        name: As in the report, such as ``12mp``.
        width: Pixels.
        height: Pixels.
        distinct: Pictures that differ in their pixels; further files repeat them.
    """

    name: str
    width: int
    height: int
    distinct: int = 24


ONE_MP = PhotoSet("1mp", 1152, 864)
TWELVE_MP = PhotoSet("12mp", 4000, 3000)


def jpegs(photos: PhotoSet) -> Iterator[bytes]:
    """Draw the distinct pictures of a set and encode them."""
    size = (photos.width, photos.height)
    noise = np.random.default_rng(0)
    texture = _upscaled(noise.integers(0, 44, (photos.height // 8, photos.width // 8, 3)), size)
    texture = texture.astype(np.int16) - 22
    texture += noise.integers(-12, 13, (photos.height, photos.width, 1), np.int16)
    for number in range(photos.distinct):
        light = np.random.default_rng(1 + number).integers(0, 256, (12, 16, 3))
        shifted = np.roll(texture, 97 * number, axis=(0, 1))
        pixels = np.clip(_upscaled(light, size) + shifted, 0, 255).astype(np.uint8)
        file = io.BytesIO()
        Image.fromarray(pixels).save(file, "JPEG", quality=QUALITY)
        yield file.getvalue()


def _upscaled(grid: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    picture = Image.fromarray(grid.astype(np.uint8))
    return np.asarray(picture.resize(size, Image.Resampling.BICUBIC))


def with_comment(jpeg: bytes, text: str) -> bytes:
    """The same picture in a file of its own, made so by a JPEG comment.

    Raises:
        ValueError: If the data are no JPEG, or the comment is longer than 65,533 bytes.
    """
    body = text.encode()
    if not jpeg.startswith(_START_OF_IMAGE):
        raise ValueError(f"expected a JPEG; the data begin with {jpeg[:4]!r}")
    if len(body) > 0xFFFF - 2:
        raise ValueError(f"a JPEG comment holds 65,533 bytes, not {len(body):,}")
    length = (len(body) + 2).to_bytes(2, "big")
    return _START_OF_IMAGE + _COMMENT + length + body + jpeg[2:]
