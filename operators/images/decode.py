"""From an image file to the pixels that a model sees."""

from __future__ import annotations

import struct
from collections.abc import Collection

import numpy as np
from PIL import Image

from operators.geometry import fit_within
from operators.images.colours import to_eight_bits, to_rgb, transform_to_srgb
from operators.images.limits import check_memory
from operators.images.opening import opened
from operators.images.pixels import as_image, packed, seen, shrunk, turned
from schemas.media import IMAGE_FORMATS, MAX_DECODE_BYTES, Frames, MediaKind

_ORIENTATION_TAG = 0x0112
_SWAPS_SIDES = frozenset({5, 6, 7, 8})


def decode_image(
    data: bytes,
    *,
    max_pixels: int,
    max_source_pixels: int,
    max_decode_bytes: int = MAX_DECODE_BYTES,
    formats: Collection[str] = IMAGE_FORMATS,
) -> Frames:
    """Decode an image, of an animation the first frame, into upright sRGB.

    Orientation and colour profile are applied, transparency is laid on white, deep samples
    are scaled to 8 bits, and larger images are shrunk. What a file claims is checked before
    memory is taken for it.

    Args:
        data: The file.
        max_pixels: Most pixels of the result.
        max_source_pixels: Most pixels that the file may claim.
        max_decode_bytes: Most memory that decoding may take, by an estimate.
        formats: What may be read, as the content says.

    Raises:
        ItemFailure: EMPTY_FILE, NOT_MEDIA, FORMAT_NOT_ALLOWED, TOO_LARGE, TRUNCATED or
            CORRUPT, at the stage decode.
    """
    with opened(data, formats, max_source_pixels, max_decode_bytes) as (image, kind):
        pixels, source = rendered(image, max_pixels)
    return Frames(
        kind=MediaKind.IMAGE,
        pixels=pixels.data.cast("B"),
        shapes=(pixels.shape[:2],),
        source_width=source[0],
        source_height=source[1],
        source_format=kind.name,
    )


def rendered(image: Image.Image, max_pixels: int) -> tuple[np.ndarray, tuple[int, int]]:
    """Load an opened image, or the frame that it stands at.

    Args:
        image: Its size was checked.
        max_pixels: Most pixels of the result.

    Returns:
        RGB pixels, (h, w, 3), and (width, height) of the source as shown.
    """
    source, extent = _load(image, max_pixels)
    target = fit_within(*source, max_pixels)
    orientation = _orientation(image)
    flat = to_eight_bits(image)
    mode = flat.mode
    if mode == "RGBA" and extent != target:
        flat, mode = flat.convert("RGBa"), "RGBa"
    pixels = seen(flat)
    if extent != target:
        pixels = shrunk(pixels, extent, target)
    pixels = turned(pixels, orientation)
    shown = source[::-1] if orientation in _SWAPS_SIDES else source
    return _as_srgb(pixels, mode, image.info.get("icc_profile")), shown


def _load(image: Image.Image, max_pixels: int) -> tuple[tuple[int, int], tuple[float, float]]:
    """Load the pixels.

    Returns:
        (width, height) of the source, and of the picture in the pixels that were loaded. A
        JPEG's decoder may have halved it up to three times, which costs less than nothing,
        and have filled up the last column and row.
    """
    if image.format in ("JPEG", "MPO"):
        source = image.size
        drafted = image.draft(None, fit_within(*source, max_pixels))
        check_memory(image, source)
        if drafted is not None:
            image.load()
            return source, (drafted[1][2], drafted[1][3])
    image.load()
    # TIFF turns itself upright on loading; only then are size and tag what they will be.
    return image.size, image.size


def _orientation(image: Image.Image) -> int:
    """EXIF orientation, 1 to 8; 1 if the EXIF block is damaged, as viewers do.

    Of AVIF and HEIC Pillow's plugins tell what is left to do: the container's own turns,
    which rule, are put in its place or were applied.
    """
    try:
        return int(image.getexif().get(_ORIENTATION_TAG, 1))
    except (SyntaxError, ValueError, TypeError, KeyError, OSError, struct.error):
        return 1


def _as_srgb(pixels: np.ndarray, mode: str, profile: bytes | None) -> np.ndarray:
    if mode in ("L", "RGB") and transform_to_srgb(profile, mode) is None:
        return packed(pixels)
    image = as_image(pixels, mode)
    if mode == "RGBa":
        image = image.convert("RGBA")
    return packed(seen(to_rgb(image, profile)))
