"""Decoded frames, made upright and small, into one buffer."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import numpy as np

from operators.geometry import fit_within
from operators.video.colours import to_rgb
from operators.video.fields import field_rows, one_field

Shapes = tuple[tuple[int, int], ...]

Matrix = tuple[int, int, int, int]
"""The upper left 2 x 2 of a display matrix, signs only: x' = a x + c y, y' = b x + d y."""

UPRIGHT: Matrix = (1, 0, 0, 1)
_MOST_STRETCH = 10


def orientation_of(side_data: bytes | None) -> Matrix:
    """The quarter turns and flips of a display matrix (nine 32-bit integers).

    A turn that is no multiple of 90 degrees is taken as the nearest one.
    """
    if side_data is None or len(side_data) < 36:
        return UPRIGHT
    a, b, _, c, d, _, _, _, _ = (int(value) for value in np.frombuffer(side_data, "<i4", 9))
    if abs(a) + abs(d) >= abs(b) + abs(c):
        return (_sign(a), 0, 0, _sign(d))
    return (0, _sign(b), _sign(c), 0)


def _sign(value: int) -> int:
    return -1 if value < 0 else 1


def turn(pixels: np.ndarray, matrix: Matrix) -> np.ndarray:
    """Apply an orientation to an (h, w, 3) array; a view, not a copy."""
    a, b, c, d = matrix
    if a or d:
        return pixels[:: 1 if d > 0 else -1, :: 1 if a > 0 else -1]
    turned = pixels.transpose(1, 0, 2)
    return turned[:: 1 if b > 0 else -1, :: 1 if c > 0 else -1]


def shown_size(
    width: int, height: int, aspect: Fraction | None, turned: bool
) -> tuple[int, int]:
    """(width, height) of a picture as a player shows it.

    Args:
        width: Stored columns.
        height: Stored rows.
        aspect: Width over height of one stored pixel; None or absurd counts as square.
        turned: Whether a quarter turn is applied.
    """
    if aspect and Fraction(1, _MOST_STRETCH) < aspect < _MOST_STRETCH:
        width = max(1, round(width * aspect))
    return (height, width) if turned else (width, height)


class FrameBuffer:
    """Collects frames one after another in one growing buffer.

    Args:
        expected: How many frames will come, so that room is made once.
        max_pixels: Most pixels of each frame.
        fields_apart: See `operators.video.reader.PacketReader`.
    """

    def __init__(self, expected: int, max_pixels: int, fields_apart: bool = False) -> None:
        self._expected = expected
        self._fields_apart = fields_apart
        self._max_pixels = max_pixels
        self._buffer = bytearray()
        self._used = 0
        self._shapes: list[tuple[int, int]] = []
        self.source_size: tuple[int, int] | None = None

    def append(self, frame: Any, aspect: Fraction | None, matrix: Matrix) -> np.ndarray:
        """Shrink, convert and turn a decoder's frame (``av.VideoFrame``) and keep it.

        Of an interlaced frame, one field is taken; a field alone is as high as a frame.
        Answers its pixels, (h, w, 3), not in
        the buffer.

        Raises:
            ItemFailure: FORMAT_NOT_ALLOWED for colours that cannot be converted.
        """
        turned = matrix[0] == 0
        is_field = frame.interlaced_frame and self._fields_apart
        rows = field_rows(frame.height, aspect) if is_field else frame.height
        shown = shown_size(frame.width, rows, aspect, turned)
        self.source_size = self.source_size or shown
        width, height = fit_within(*shown, self._max_pixels)
        stored = (height, width) if turned else (width, height)
        is_woven = frame.interlaced_frame and not is_field
        picture = one_field(frame) if is_woven else frame
        pixels = turn(to_rgb(picture, *stored), matrix)
        self._reserve(pixels.size)
        into = np.frombuffer(self._buffer, np.uint8, pixels.size, self._used)
        into.reshape(pixels.shape)[...] = pixels
        self._used += pixels.size
        self._shapes.append((height, width))
        return pixels

    def _reserve(self, size: int) -> None:
        if self._used + size > len(self._buffer):
            frames_left = max(1, self._expected - len(self._shapes))
            missing = self._used + size * frames_left - len(self._buffer)
            self._buffer.extend(bytes(missing))

    def take(self, numbers: Sequence[int]) -> tuple[bytearray, Shapes]:
        """Give some frames away and keep the others, which are numbered from 0 again.

        Args:
            numbers: Of the frames, in the order wanted.

        Returns:
            Their pixels without a gap, and their (height, width).
        """
        shapes = self._shapes
        if list(numbers) == list(range(len(shapes))):
            pixels, self._buffer = self._buffer, bytearray()
            del pixels[self._used :]
            self._used, self._shapes = 0, []
            return pixels, tuple(shapes)
        sizes = [height * width * 3 for height, width in shapes]
        starts = [0, *itertools.accumulate(sizes)]
        left = sorted(set(range(len(shapes))) - set(numbers))
        with memoryview(self._buffer) as view:
            taken = bytearray().join(view[starts[n] : starts[n + 1]] for n in numbers)
            kept = bytearray().join(view[starts[n] : starts[n + 1]] for n in left)
        self._buffer, self._used = kept, len(kept)
        self._shapes = [shapes[number] for number in left]
        return taken, tuple(shapes[number] for number in numbers)
