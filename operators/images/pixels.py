"""Pixels: seen without a copy, shrunk, and turned upright."""

from __future__ import annotations

import math

import cv2
import numpy as np
import pyarrow as pa
from PIL import Image

HALVE_FROM = 2.5
"""How many times too large a side must be to be halved by plain means first."""

_NEARLY_ONE = 1.02
_SHARPNESS = -0.5
# OpenCV's interpolation sharpens by a little (its kernel has -0.75).
_WIDER = 1.05
_LEAST_WEIGHT = 0.01

# A decode worker has one CPU.
cv2.setNumThreads(1)
# The C library gives freed memory back to the system until it has seen as large a block come
# and go (mallopt(3), M_MMAP_THRESHOLD). Getting it anew is a tenth of a large JPEG's time.
np.empty(31 * 1024**2, np.uint8)


def seen(image: Image.Image) -> np.ndarray:
    """The pixels of a loaded image with 8-bit samples, read-only.

    Returns:
        (h, w) for one channel, else (h, w, 4); of three channels the fourth is padding.
        Pillow's own memory where it is in one piece.
    """
    width, height = image.size
    try:
        array = pa.array(image)
    except ValueError:
        raw = "RGBX" if image.mode == "RGB" else image.mode
        flat = np.frombuffer(image.tobytes("raw", raw), np.uint8)
        return (
            flat.reshape(height, width)
            if image.mode == "L"
            else flat.reshape(height, width, -1)
        )
    if pa.types.is_fixed_size_list(array.type):
        return array.values.to_numpy().reshape(height, width, array.type.list_size)
    return array.to_numpy().reshape(height, width)


def shrunk(
    pixels: np.ndarray, extent: tuple[float, float], target: tuple[int, int]
) -> np.ndarray:
    """Resample to a smaller size.

    Sides that are far too large are halved by averaging pairs. Then the pixels are convolved
    with Keys' cubic kernel, stretched to the target's spacing and sampled at their own, so
    that nothing is left which the target cannot show; and interpolated (R. Keys, "Cubic
    Convolution Interpolation for Digital Image Processing", 1981). The result is as near to
    a Lanczos resampling as one with the stretched kernel itself.

    Args:
        pixels: (h, w) or (h, w, c), 8 bits, alpha premultiplied.
        extent: (width, height) of the picture in these pixels; a decoder that scales may
            have filled up the last column and row.
        target: (width, height) of the result.
    """
    width, height = extent
    while width >= HALVE_FROM * target[0] or height >= HALVE_FROM * target[1]:
        by_x = 2 if width >= HALVE_FROM * target[0] else 1
        by_y = 2 if height >= HALVE_FROM * target[1] else 1
        pixels = _averaged(pixels, by_x, by_y)
        width, height = width / by_x, height / by_y
    across, down = width / target[0], height / target[1]
    if max(across, down) > _NEARLY_ONE:
        pixels = cv2.sepFilter2D(
            pixels, -1, _kernel(across), _kernel(down), borderType=cv2.BORDER_REPLICATE
        )
    # Factors and no size: the size would stretch the part that was filled up as well.
    large = cv2.resize(pixels, None, fx=1 / across, fy=1 / down, interpolation=cv2.INTER_CUBIC)
    return large[: target[1], : target[0]]


def _averaged(pixels: np.ndarray, by_x: int, by_y: int) -> np.ndarray:
    height, width = pixels.shape[:2]
    size = (width // by_x, height // by_y)
    whole = pixels[: size[1] * by_y, : size[0] * by_x]
    small = cv2.resize(whole, size, interpolation=cv2.INTER_AREA)
    left = (height % by_y, width % by_x)
    if any(left):
        small = cv2.copyMakeBorder(small, 0, left[0], 0, left[1], cv2.BORDER_REPLICATE)
    return small


def _kernel(ratio: float) -> np.ndarray:
    """Keys' kernel, stretched by the ratio of the sizes, at whole numbers; its sum is one.

    Weights at its ends that nobody would see are left out: they cost as much as others.
    """
    if ratio <= _NEARLY_ONE:
        return np.ones(1, np.float32)
    stretch = ratio * _WIDER
    reach = math.ceil(2 * stretch) - 1
    distance = np.abs(np.arange(-reach, reach + 1)) / stretch
    near = (_SHARPNESS + 2) * distance**3 - (_SHARPNESS + 3) * distance**2 + 1
    far = _SHARPNESS * (distance**3 - 5 * distance**2 + 8 * distance - 4)
    kernel = np.where(distance < 1, near, far)
    if abs(kernel[0]) < _LEAST_WEIGHT * kernel.sum():
        kernel = kernel[1:-1]
    return (kernel / kernel.sum()).astype(np.float32)


def turned(pixels: np.ndarray, orientation: int) -> np.ndarray:
    """Apply an EXIF orientation, 1 to 8; others change nothing."""
    match orientation:
        case 2:
            return cv2.flip(pixels, 1)
        case 3:
            return cv2.rotate(pixels, cv2.ROTATE_180)
        case 4:
            return cv2.flip(pixels, 0)
        case 5:
            return cv2.transpose(pixels)
        case 6:
            return cv2.rotate(pixels, cv2.ROTATE_90_CLOCKWISE)
        case 7:
            return cv2.rotate(cv2.transpose(pixels), cv2.ROTATE_180)
        case 8:
            return cv2.rotate(pixels, cv2.ROTATE_90_COUNTERCLOCKWISE)
    return pixels


def as_image(pixels: np.ndarray, mode: str) -> Image.Image:
    """Pixels in the layout of `seen` as an image of this mode."""
    raw = "RGBX" if mode == "RGB" else mode
    size = (pixels.shape[1], pixels.shape[0])
    return Image.frombytes(mode, size, np.ascontiguousarray(pixels), "raw", raw)


def packed(pixels: np.ndarray) -> np.ndarray:
    """Grey or RGB pixels in the layout of `seen` as (h, w, 3), without gaps."""
    code = cv2.COLOR_GRAY2RGB if pixels.ndim == 2 else cv2.COLOR_RGBA2RGB
    return cv2.cvtColor(pixels, code)
