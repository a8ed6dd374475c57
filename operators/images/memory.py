"""How much memory decoding takes, as far as an image's headers tell."""

from __future__ import annotations

from typing import Any

from PIL import Image

from operators.signatures import FileType

_OF_SAMPLES = {"1": 1, "L": 1, "P": 1, "I;16": 2}
_OF_DEEP = {"I;16": 3, "I": 5, "F": 5}
"""Bytes a pixel of a deep image's samples once more, and of what they are scaled to."""

_SEEN_AS_THEY_ARE = frozenset({"1", "L", "RGB", "CMYK", *_OF_DEEP})
_OF_SHRINKING = 2.1
_OF_DECODER = {"avif": 8.0, "heic": 2.0, "gif": 5.0, "tiff": 2.0}
"""What the decoders of these formats hold beside the pixels that they give; measured."""

_OF_DEEP_HEIC = 6.0
_WEBP = 18.5
"""All of it: the decoder's canvases are larger than what is made of them."""
_COEFFICIENT_BYTES = 2

HELD_WHOLE = "tagline held whole"
"""In an opened JPEG's `info`: whether its coefficients are, for it has several scans."""


def bytes_to_decode(image: Image.Image, kind: FileType, source: tuple[int, int]) -> int:
    """An estimate of what it takes to load an image and to halve it, at the peak.

    What follows takes a few times the pixels that are wanted.

    Args:
        image: Opened and not loaded. A JPEG's size may have been reduced by `draft`.
        kind: What it is.
        source: (width, height) by the header.
    """
    width, height = image.size
    needed = width * height * _bytes_a_pixel(image, kind)
    return int(needed + source[0] * source[1] * _of_coefficients(image))


def bytes_to_open(size: tuple[int, int]) -> int:
    """The same of a WebP of this size, before it is known whether it is transparent."""
    return int(size[0] * size[1] * _WEBP)


def _bytes_a_pixel(image: Image.Image, kind: FileType) -> float:
    if kind.name == "webp":
        return _WEBP
    mode = "I;16" if image.mode.startswith("I;16") else image.mode
    samples = _OF_SAMPLES.get(mode, 4)
    if image.has_transparency_data:
        made = 4 if mode == "RGBA" else 8
    else:
        made = 0 if mode in _SEEN_AS_THEY_ARE else 4
    decoder = _OF_DECODER.get(kind.name, 0.0)
    if kind.name == "heic" and image.info.get("bit_depth", 8) > 8:
        decoder = _OF_DEEP_HEIC
    return samples + made + _OF_DEEP.get(mode, 0) + decoder + _OF_SHRINKING


def _of_coefficients(image: Any) -> float:
    """Bytes a pixel of a JPEG of several scans: all are held until its last one."""
    if not image.info.get(HELD_WHOLE):
        return 0.0
    across = max(component[1] for component in image.layer)
    down = max(component[2] for component in image.layer)
    samples = sum(component[1] * component[2] for component in image.layer)
    return _COEFFICIENT_BYTES * samples / (across * down)
