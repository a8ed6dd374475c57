"""JPEGs that cost a decoder what photographs cost: smooth light, texture and sensor noise."""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from PIL import Image

QUALITY = 85


@dataclass(frozen=True)
class PhotoSet:
    """A set of photographs of one size.

    Attributes:
        name: As in the report, such as ``12mp``.
        width: Pixels.
        height: Pixels.
    """

    name: str
    width: int
    height: int


ONE_MP = PhotoSet("1mp", 1152, 864)
TWELVE_MP = PhotoSet("12mp", 4000, 3000)


def jpegs(photos: PhotoSet, number: int) -> Iterator[bytes]:
    """Draw and encode `number` photographs, no two of which have the same pixels.

    An engine that sees the same pixels again answers from its caches, so a benchmark of
    repeated pictures measures these.
    """
    size = (photos.width, photos.height)
    noise = np.random.default_rng(0)
    texture = _upscaled(noise.integers(0, 44, (photos.height // 8, photos.width // 8, 3)), size)
    texture = texture.astype(np.int16) - 22
    texture += noise.integers(-12, 13, (photos.height, photos.width, 1), np.int16)
    for scene in range(number):
        light = np.random.default_rng(1 + scene).integers(0, 256, (12, 16, 3))
        shifted = np.roll(texture, 97 * scene, axis=(0, 1))
        pixels = np.clip(_upscaled(light, size) + shifted, 0, 255).astype(np.uint8)
        file = io.BytesIO()
        Image.fromarray(pixels).save(file, "JPEG", quality=QUALITY)
        yield file.getvalue()


def _upscaled(grid: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    picture = Image.fromarray(grid.astype(np.uint8))
    return np.asarray(picture.resize(size, Image.Resampling.BICUBIC))
