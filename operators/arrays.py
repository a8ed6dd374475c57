"""Frames that lie one after another in a buffer, as arrays."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray


def frame_arrays(
    pixels: bytes | bytearray | memoryview, shapes: Sequence[tuple[int, int]]
) -> list[NDArray[np.uint8]]:
    """Each frame as an array (height, width, 3); views of the buffer, not copies.

    Args:
        pixels: RGB, 8 bits a channel, without a gap.
        shapes: (height, width) of each.
    """
    flat, arrays, start = np.frombuffer(pixels, np.uint8), [], 0
    for height, width in shapes:
        size = height * width * 3
        arrays.append(flat[start : start + size].reshape(height, width, 3))
        start += size
    return arrays
