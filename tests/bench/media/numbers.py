"""Frame numbers that are read back from pixels, whatever a decoder and a scaler did to them."""

from __future__ import annotations

import numpy as np

BITS = 14
BLOCK = 48
"""Side of one bit's square in a 1280 x 720 frame: three macroblocks."""

_DARK, _BRIGHT = 40, 200
_WIDTH, _HEIGHT = 1280, 720


def draw_number(luma: np.ndarray, number: int) -> None:
    """Draw a number below 16,384 along the top of a (720, 1280) luma plane.

    In Gray code, so that from frame to frame one square changes and costs hardly a bit.
    """
    code = number ^ number >> 1
    for place in range(BITS):
        level = _BRIGHT if code >> place & 1 else _DARK
        luma[:BLOCK, place * BLOCK : (place + 1) * BLOCK] = level


def read_number(frame: np.ndarray) -> int:
    """The number in an (h, w, 3) frame that shows the whole of a 1280 x 720 one."""
    height, width, _ = frame.shape
    rows = slice(BLOCK * height // (3 * _HEIGHT), 2 * BLOCK * height // (3 * _HEIGHT) + 1)
    code = 0
    for place in range(BITS):
        left = (3 * place + 1) * BLOCK * width // (3 * _WIDTH)
        right = (3 * place + 2) * BLOCK * width // (3 * _WIDTH) + 1
        if frame[rows, left:right].mean() > (_DARK + _BRIGHT) / 2:
            code |= 1 << place
    number = 0
    while code:
        number ^= code
        code >>= 1
    return number
