"""What items look like: a digest for what shows the very same, a `Look` for what nearly does.

A look holds a hash of 64 bits, of which few change when a picture is encoded anew or scaled.
It is after the DCT hash of C. Zauner, "Implementation and Benchmarking of Perceptual Image Hash
Functions" (2010): the signs of the lowest frequencies of the picture, shrunk and in grey. Here
they are taken in zigzag order and held against a fixed value instead of their median, so that
what is not in the picture at all is the same bit each time.

A hash knows nothing of colours, and little of small things: two thirds of the demo's pictures
are within 4 bits of themselves with a thing, or the background, in another colour. A look has
the picture's tints as well therefore, in a grid, and what looks alike agrees in both.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from schemas.item import LeftOut
from schemas.media import Frames

BITS = 64
SIDE = 32
"""Cells a side of the shrunk picture, whatever its shape."""

BRIGHT_SIDE, COLOUR_SIDE = 16, 8
"""Cells a side of the grids of brightness and of the two colour differences."""

LEAST_WAVE = 4.0
"""Grey values from which a frequency's bit is 1: at 0, that of one which is not there would be
chance."""

LEAST_CONTRAST = 4.0
"""Standard deviation of brightness below which a picture is too flat to be told by a hash."""

TINT_TOLERANCE = 12
"""Most by which a cell may differ, of 255, in pictures that look alike."""

_GREY = np.array([0.299, 0.587, 0.114])
_BLUE, _RED = 0.564, 0.713
"""Factors of the colour differences of JPEG (ITU-T T.871)."""


def _cosines() -> NDArray[np.float64]:
    """Row u: the orthonormal DCT-II wave of frequency u, from 0, over `SIDE` samples."""
    u, x = np.arange(_WAVES)[:, None], np.arange(SIDE)
    waves = np.sqrt(2 / SIDE) * np.cos(np.pi * u * (2 * x + 1) / (2 * SIDE))
    waves[0] /= np.sqrt(2)
    return waves


_WAVES = 12
_ZIGZAG = sorted(
    ((v, u) for v in range(_WAVES) for u in range(_WAVES) if u + v),
    key=lambda wave: (sum(wave), wave),
)[:BITS]
# Dealt out so that each quarter of the hash has some of all frequencies: low ones are alike in
# many pictures, and an index by quarters would find them all.
_ROWS, _COLUMNS = np.array([wave for first in range(4) for wave in _ZIGZAG[first::4]]).T
_COSINES = _cosines()


@dataclass(frozen=True)
class Look:
    """How a picture looks in the large.

    Attributes:
        bits: The hash, `BITS` bits.
        tints: A byte for each cell, row by row: the grid of brightness, then those of how blue
            and how red it is, where 128 is grey.
    """

    bits: int
    tints: bytes

    def distance(self, other: Look) -> int:
        """Bits of the hash in which two looks differ."""
        return (self.bits ^ other.bits).bit_count()

    def has_tints_of(self, other: Look) -> bool:
        """Whether no cell of the grids differs by more than `TINT_TOLERANCE`."""
        own, others = (np.frombuffer(look.tints, np.uint8) for look in (self, other))
        return int(np.abs(own.astype(np.int16) - others).max()) <= TINT_TOLERANCE

    def to_bytes(self) -> bytes:
        """For tables and databases."""
        return struct.pack(">Q", self.bits) + self.tints

    @staticmethod
    def from_bytes(data: bytes) -> Look:
        """The inverse of `to_bytes`."""
        return Look(struct.unpack_from(">Q", data)[0], data[8:])


def look_of(frames: Frames) -> Look | None:
    """How a decoded picture looks; None if it is too flat to be told from others so.

    Args:
        frames: One image, upright RGB.
    """
    height, width = frames.shapes[0]
    picture = Image.fromarray(np.frombuffer(frames.pixels, np.uint8).reshape(height, width, 3))
    cells = np.asarray(picture.resize((SIDE, SIDE), Image.Resampling.BOX), np.float64)
    grey = cells @ _GREY
    if grey.std() < LEAST_CONTRAST:
        return None
    waves = (_COSINES @ grey @ _COSINES.T)[_ROWS, _COLUMNS]
    bits = int.from_bytes(np.packbits(waves > LEAST_WAVE).tobytes(), "big")
    blue, red = (cells[..., 2] - grey) * _BLUE, (cells[..., 0] - grey) * _RED
    grids = [_grid(grey, BRIGHT_SIDE)]
    grids += [_grid(one, COLOUR_SIDE) + 128 for one in (blue, red)]
    tints = np.clip(np.rint(np.concatenate(grids)), 0, 255).astype(np.uint8)
    return Look(bits, tints.tobytes())


def _grid(cells: NDArray[np.float64], side: int) -> NDArray[np.float64]:
    """Means over squares, row by row: ``side * side`` values."""
    each = SIDE // side
    means: NDArray[np.float64] = cells.reshape(side, each, side, each).mean((1, 3)).ravel()
    return means


def content_digest(
    frames: Frames, media: Sequence[bytes | BinaryIO], left_out: Sequence[LeftOut] = ()
) -> str:
    """32 hex digits that stand for all that a model is shown of an item's media.

    Two items of one media policy that have the same are shown the same. They stand for the
    files where those are at hand, which are far smaller than their pixels.

    Args:
        frames: What is shown.
        media: What it was decoded from.
        left_out: What is not shown.
    """
    about = (frames.shapes, frames.pts_s, frames.duration_s, frames.cues, tuple(left_out))
    files = [medium for medium in media if isinstance(medium, bytes)]
    seen: Sequence[Any] = files if len(files) == len(media) else [frames.pixels]
    digest = hashlib.blake2b(repr((about, [len(one) for one in seen])).encode(), digest_size=16)
    for one in seen:
        digest.update(one)
    return digest.hexdigest()
