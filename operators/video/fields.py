"""Interlaced frames: two pictures of different moments, woven row by row, and apart again."""

from __future__ import annotations

from fractions import Fraction

import av
import numpy as np

_TALL = Fraction(2, 3)


def one_field(frame: av.VideoFrame) -> av.VideoFrame:
    """The upper field of an interlaced frame, as a picture of half the height.

    No row of another moment is in it, and none is made up: scaling fills the gaps. It needs
    no neighbouring frame, as better methods do, so a frame can still be decoded alone; 1080i
    that is shrunk to what a model sees has rows enough in one field.

    Measured: 1080i to 448 x 252 takes 0.7 ms by this and 1.4 ms woven; FFmpeg's `estdif`, which
    needs one frame only as well, takes 28 ms.
    """
    field = av.VideoFrame(frame.width, (frame.height + 1) // 2, frame.format.name)
    for woven, plane in zip(frame.planes, field.planes, strict=True):
        rows = np.frombuffer(woven, np.uint8).reshape(-1, woven.line_size)[::2]
        into = np.frombuffer(plane, np.uint8).reshape(-1, plane.line_size)
        width = min(woven.line_size, plane.line_size)
        into[:, :width] = rows[: len(into), :width]
    field.colorspace, field.color_range = frame.colorspace, frame.color_range
    field.color_trc, field.color_primaries = frame.color_trc, frame.color_primaries
    return field


def field_rows(rows: int, aspect: Fraction | None) -> int:
    """Rows of the frame to which a field belongs that was coded as a picture by itself.

    Args:
        rows: Of the field.
        aspect: Width over height of one pixel, as the video says. It should be that of a
            frame's; where it is far taller than wide, it is that of the field's.
    """
    return rows if aspect and aspect < _TALL else 2 * rows
