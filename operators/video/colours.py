"""From a decoder's frame in whatever pixel format to RGB pixels of the size that is wanted."""

from __future__ import annotations

import av
import numpy as np
from av.video.reformatter import Interpolation

from operators.video import tone
from schemas.failure import FailureCode, ItemFailure, Stage

# Matrix coefficients, as code points of ITU-T H.273.
_RGB, _BT709, _UNSPECIFIED, _RESERVED, _FCC, _BT470BG, _SMPTE170M, _SMPTE240M = range(8)
_BT2020, _BT2020_CONSTANT = 9, 10

_SAYS_NOTHING = frozenset({_RGB, _UNSPECIFIED, _RESERVED})
_CONVERTED = frozenset({_BT709, _FCC, _BT470BG, _SMPTE170M, _SMPTE240M, _BT2020})

_FULL_RANGE = 2
_DOLBY_VISION = ("DOVI_RPU_BUFFER", "DOVI_METADATA")
_DEEP_FLAGS = Interpolation.FULL_CHR_H_INT | Interpolation.ACCURATE_RND

# What a sample of limited range stands for.
_STRETCHED = np.clip((np.arange(256) - 16) * 255 / 219 + 0.5, 0, 255).astype(np.uint8)


def to_rgb(frame: av.VideoFrame, width: int, height: int) -> np.ndarray:
    """Scale a frame and bring it to what its pixels look like on an SDR display.

    Matrix coefficients and range are those of the frame's tags. Untagged pictures are
    BT.709 if they are wider than 1279 or higher than 576 pixels, else BT.601, as players
    have it; their range is limited. HDR and wide gamuts are mapped, see `operators.video.tone`.
    Transparency is laid on white.

    Args:
        frame: From a decoder; its tags may be changed.
        width: Of the result, pixels.
        height: Likewise.

    Returns:
        (height, width, 3), 8 bits a channel.

    Raises:
        ItemFailure: FORMAT_NOT_ALLOWED for colours that nothing here converts.
    """
    _check_dolby_vision(frame)
    frame.colorspace = _matrix(frame)
    shrinks = width * height < frame.width * frame.height
    scaling = Interpolation.AREA if shrinks else Interpolation.BICUBIC
    if tone.needs_mapping(frame.color_trc, frame.color_primaries):
        signal = _scaled(frame, width, height, "rgb48le", scaling | _DEEP_FLAGS)
        return tone.to_sdr(signal, frame.color_trc, frame.color_primaries)
    components = frame.format.components
    if frame.format.has_palette or any(component.is_alpha for component in components):
        return _on_white(_scaled(frame, width, height, "rgba", scaling))
    if components[0].bits > 8:
        scaling |= _DEEP_FLAGS
    pixels = _scaled(frame, width, height, "rgb24", scaling)
    # The scaler takes grey for full range, whatever its tag.
    is_stretched = frame.format.name.startswith("gray") and frame.color_range != _FULL_RANGE
    return _STRETCHED[pixels] if is_stretched else pixels


def _scaled(
    frame: av.VideoFrame, width: int, height: int, layout: str, scaling: Interpolation
) -> np.ndarray:
    small = frame.reformat(
        width=width, height=height, format=layout, interpolation=scaling, threads=1
    )
    return small.to_ndarray()


def _check_dolby_vision(frame: av.VideoFrame) -> None:
    """Refuse pictures that are nothing without Dolby Vision's metadata.

    Its other profiles are built on HDR10, HLG or SDR, which their tags say. Profile 5 (of AV1
    10.0) has colours of its own in full range, and no tags.
    """
    has_metadata = any(frame.side_data.get(name) is not None for name in _DOLBY_VISION)
    if has_metadata and frame.color_trc in _SAYS_NOTHING and frame.color_range == _FULL_RANGE:
        raise ItemFailure(
            Stage.DECODE,
            FailureCode.FORMAT_NOT_ALLOWED,
            "the video's colours are Dolby Vision's own (profile 5), which are not converted; "
            "recode it as HDR10, or with the colours of BT.709",
        )


def _matrix(frame: av.VideoFrame) -> int:
    tagged = frame.colorspace
    if tagged in _CONVERTED:
        return tagged
    if tagged == _BT2020_CONSTANT:
        return _BT2020
    if tagged in _SAYS_NOTHING or frame.format.is_rgb:
        if tone.needs_mapping(frame.color_trc, tone.BT709):
            return _BT2020
        return _BT709 if frame.width >= 1280 or frame.height > 576 else _SMPTE170M
    raise ItemFailure(
        Stage.DECODE,
        FailureCode.FORMAT_NOT_ALLOWED,
        f"the video's colours have the matrix coefficients {tagged} of H.273, which are not "
        "converted; recode it with those of BT.709",
    )


def _on_white(pixels: np.ndarray) -> np.ndarray:
    """Lay (h, w, 4) on white."""
    opacity = pixels[..., 3:].astype(np.uint16)
    laid = pixels[..., :3] * opacity + 255 * (255 - opacity)
    return ((laid + 127) // 255).astype(np.uint8)
