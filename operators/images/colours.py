"""Colours: any of Pillow's modes, with its profile and its transparency, to sRGB."""

from __future__ import annotations

import functools
import io
from collections.abc import Iterator

import numpy as np
from PIL import Image, ImageCms

_BITS_PER_SAMPLE_TAG = 258
_SRGB = ImageCms.createProfile("sRGB")
_SAMPLES_AT_ONCE = 256 * 1024


def to_eight_bits(image: Image.Image) -> Image.Image:
    """Bring any mode into one that resizes well: L, RGB, RGBA or CMYK.

    16-bit samples are scaled by their full range. 32-bit samples have no range of their
    own: floats within 0..1 and integers within 0..65535 are taken as such, others are
    stretched from their smallest to their largest value. What is no number is black.
    """
    if image.mode.startswith("I;16"):
        tags = getattr(image, "tag_v2", {})
        bits = tags.get(_BITS_PER_SAMPLE_TAG, (16,))[0]
        scaled = _scaled(np.asarray(image), 0.0, float((1 << bits) - 1))
        return _with_key(scaled, image)
    if image.mode in ("I", "F"):
        samples = np.asarray(image)
        low, high = _range(samples)
        natural = 1.0 if image.mode == "F" else 65535.0
        if low >= 0 and high <= natural:
            low, high = 0.0, natural
        return _scaled(samples, low, high)
    if image.has_transparency_data:
        return image if image.mode == "RGBA" else image.convert("RGBA")
    if image.mode == "1":
        return image.convert("L")
    if image.mode == "LAB":
        return ImageCms.applyTransform(image, _lab_to_srgb()) or image
    return image if image.mode in ("L", "RGB", "CMYK") else image.convert("RGB")


def _range(samples: np.ndarray) -> tuple[float, float]:
    low, high = np.inf, -np.inf
    for rows in _strips(samples):
        finite = rows[np.isfinite(rows)]
        if finite.size:
            low, high = min(low, float(finite.min())), max(high, float(finite.max()))
    return (low, high) if low <= high else (0.0, 0.0)


def _scaled(samples: np.ndarray, low: float, high: float) -> Image.Image:
    result = np.empty(samples.shape, np.uint8)
    for rows, of_result in zip(_strips(samples), _strips(result), strict=True):
        scaled = rows.astype(np.float32)
        scaled -= low
        scaled *= 255.0 / max(high - low, 1e-12)
        np.nan_to_num(scaled, copy=False)
        of_result[:] = np.clip(np.rint(scaled), 0, 255)
    return Image.fromarray(result)


def _strips(samples: np.ndarray) -> Iterator[np.ndarray]:
    """Views of some rows each: what is computed between is many times the samples' size."""
    height, width = samples.shape
    step = max(1, _SAMPLES_AT_ONCE // width)
    return (samples[start : start + step] for start in range(0, height, step))


def _with_key(grey: Image.Image, deep: Image.Image) -> Image.Image:
    """Grey with transparency where the deep samples have the value that stands for it."""
    key = deep.info.get("transparency")
    if not isinstance(key, int):
        return grey
    opaque = (np.asarray(deep) != key).view(np.uint8)
    opaque *= 255
    alpha = Image.fromarray(opaque)
    return Image.merge("RGBA", (grey, grey, grey, alpha))


@functools.cache
def _lab_to_srgb() -> ImageCms.ImageCmsTransform:
    return ImageCms.buildTransform(ImageCms.createProfile("LAB"), _SRGB, "LAB", "RGB")


@functools.lru_cache(maxsize=16)
def transform_to_srgb(profile: bytes | None, mode: str) -> ImageCms.ImageCmsTransform | None:
    """What turns pixels into sRGB; None if they are, or are to be taken as such.

    Args:
        profile: The image's own; a broken one, or one for other pixels, is left out, as
            viewers do.
        mode: L, RGB, RGBA (without its alpha) or CMYK.
    """
    if not profile:
        return None
    opaque = "RGB" if mode == "RGBA" else mode
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        if ImageCms.getProfileDescription(source).strip().startswith("sRGB"):
            return None
        return ImageCms.buildTransform(source, _SRGB, opaque, "RGB")
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
        return None


def to_rgb(image: Image.Image, profile: bytes | None) -> Image.Image:
    """An image in one of the modes of `to_eight_bits` as sRGB, on white."""
    alpha = image.getchannel("A") if image.mode == "RGBA" else None
    transform = transform_to_srgb(profile, image.mode)
    if alpha is not None:
        image = image.convert("RGB")
    if transform is not None:
        image = ImageCms.applyTransform(image, transform) or image
    if image.mode != "RGB":
        image = image.convert("RGB")
    if alpha is not None:
        canvas = Image.new("RGB", image.size, "white")
        canvas.paste(image, mask=alpha)
        return canvas
    return image
