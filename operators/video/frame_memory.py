"""How much memory a decoder may take, from what a stream says before a frame is decoded."""

from __future__ import annotations

from typing import Any

from schemas.failure import FailureCode, ItemFailure, Stage

MAX_VIDEO_PIXELS = 8192 * 8192

_HELD = {"h264": 16, "hevc": 16, "av1": 10, "vp9": 10}
_HELD_ELSEWHERE = 4
"""Frames that others may refer to, and those at work. A stream may ask for fewer than its codec
allows; FFmpeg takes its word, and so would a file that was made to cost memory."""

_USUAL_BITS = 12
"""Of a pixel, 4:2:0 with 8 bits a sample, where the format is not known yet."""


def checked_frame_pixels(context: Any, codec: str, most_bytes: int) -> int:
    """The most pixels that a frame of a stream may have: too many, or all held too many bytes.

    Args:
        context: The stream's (``av.VideoCodecContext``).
        codec: By name.
        most_bytes: That a decoder's frames may take.

    Raises:
        ItemFailure: TOO_LARGE if its frames have more.
    """
    bits = context.format.padded_bits_per_pixel if context.format else _USUAL_BITS
    frames = _HELD.get(codec, _HELD_ELSEWHERE)
    by_bytes = most_bytes * 8 // (bits * frames)
    pixels = context.width * context.height
    if pixels <= min(by_bytes, MAX_VIDEO_PIXELS):
        return min(by_bytes, MAX_VIDEO_PIXELS)
    more_than = (
        f"media.max_decode_bytes = {most_bytes:,} allows where a decoder of {codec} may hold "
        f"{frames} frames of {bits} bits a pixel; raise that, or scale it down"
        if pixels <= MAX_VIDEO_PIXELS
        else f"the {MAX_VIDEO_PIXELS:,} that are decoded; scale it down first"
    )
    raise ItemFailure(
        Stage.DECODE,
        FailureCode.TOO_LARGE,
        f"the video has {context.width} x {context.height} pixels, more than {more_than}",
    )
