"""Arithmetic of sizes."""

from __future__ import annotations

import math


def fit_within(width: int, height: int, max_pixels: int) -> tuple[int, int]:
    """The largest (width, height) of the same shape with at most `max_pixels` pixels.

    Sizes that fit already stay; each side keeps at least one pixel.
    """
    if width * height <= max_pixels:
        return width, height
    # In whole numbers: in floating point 1280 x 720 shrunk to 448 x 252 pixels loses a row.
    new_width = min(max(1, math.isqrt(max_pixels * width // height)), max_pixels)
    new_height = min(max(1, math.isqrt(max_pixels * height // width)), max_pixels // new_width)
    return min(new_width, max_pixels // new_height), new_height
