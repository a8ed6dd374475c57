"""Where a long video is cut into windows: at shot boundaries among its sampled frames. Pure."""

from __future__ import annotations

import statistics
from collections.abc import Sequence

import numpy as np

GRID = 8
"""A frame is compared by the mean colours of this many rows and columns of blocks."""

CLEAR_CHANGE = 12.0
"""Smaller changes, in levels of 0 to 255, are never a boundary."""

OUTSTANDING = 3.0
"""A boundary changes this many times as much as frames at hand usually do."""

CERTAIN_CUT = 48.0
"""Such a change is always a cut, also where most frames differ as much."""

LEAST_PART = 4
"""A window ends at a boundary only if it holds this part of the most frames, or more."""


def block_means(pixels: np.ndarray) -> np.ndarray:
    """The mean colours of a frame's blocks.

    Args:
        pixels: (h, w, 3), 8 bits a channel.

    Returns:
        (rows, columns, 3) of float32; at most `GRID` rows and columns.
    """
    height, width = pixels.shape[:2]
    rows, columns = min(GRID, height), min(GRID, width)
    tops = np.arange(rows) * height // rows
    lefts = np.arange(columns) * width // columns
    sums = np.add.reduceat(pixels, tops, axis=0, dtype=np.uint32)
    sums = np.add.reduceat(sums, lefts, axis=1, dtype=np.uint32)
    heights = np.diff(tops, append=height)[:, None, None]
    widths = np.diff(lefts, append=width)[None, :, None]
    return (sums / (heights * widths)).astype(np.float32)


def change(before: np.ndarray, after: np.ndarray) -> float:
    """How much the picture changes between two frames' `block_means`: levels, 0 to 255."""
    if before.shape != after.shape:
        return 255.0
    return float(np.abs(before - after).mean())


def least_cut(changes: Sequence[float]) -> float:
    """How much the picture changes at a cut, at least, by how much it usually does."""
    usual = statistics.median(changes) if changes else 0.0
    return min(max(CLEAR_CHANGE, OUTSTANDING * usual), CERTAIN_CUT)


def window_size(changes: Sequence[float]) -> int:
    """How many of the frames at hand make the next window.

    The window ends at the last shot boundary that leaves it large enough; without one it is
    as large as it may be. A boundary is where frames differ far more than they usually do.

    Args:
        changes: Between each frame and the one after it; as many as a window may have frames.

    Returns:
        From 1 to ``len(changes)``.
    """
    most = len(changes)
    least = max(1, most // LEAST_PART)
    bar = least_cut(changes)
    ends = [size for size in range(least, most + 1) if changes[size - 1] >= bar]
    return max(ends, default=most)
