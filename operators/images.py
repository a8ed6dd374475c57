"""Images: from a file's bytes to RGB pixels of the size that a model can use."""

from __future__ import annotations

import io
import struct
import warnings

import numpy as np
from PIL import Image, ImageCms, UnidentifiedImageError

from operators.geometry import fit_within
from operators.signatures import HEAD_BYTES, FileType, end_is_missing, expect
from schemas.failure import FailureCode, ItemFailure, Stage
from schemas.media import Frames, MediaKind

FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF")

_ORIENTATION_TAG = 0x0112
_BITS_PER_SAMPLE_TAG = 258
_SWAPS_SIDES = frozenset({5, 6, 7, 8})
_TRANSPOSE = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_SRGB = ImageCms.createProfile("sRGB")

# The claimed size is checked here, from the header, against the job's own limit. Pillow's
# limit is fixed, warns on stderr, and cannot be set for one thread alone.
Image.MAX_IMAGE_PIXELS = None
# Pillow warns of every damaged EXIF block; a batch of millions has many.
warnings.filterwarnings("ignore", module=r"PIL\..*")


def _fail(code: FailureCode, message: str) -> ItemFailure:
    return ItemFailure(Stage.DECODE, code, message)


def decode_image(data: bytes, *, max_pixels: int, max_source_pixels: int) -> Frames:
    """Decode the first frame of an image into upright sRGB.

    Orientation and colour profile are applied, transparency is laid on white, deep samples
    are scaled to 8 bits, and larger images are shrunk.

    Args:
        data: The file.
        max_pixels: Most pixels of the result.
        max_source_pixels: Most pixels that the file may claim.

    Raises:
        ItemFailure: EMPTY_FILE, NOT_MEDIA, FORMAT_NOT_ALLOWED, TOO_LARGE, TRUNCATED or
            CORRUPT, at the stage decode.
    """
    kind = _expect_image(data)
    try:
        with Image.open(io.BytesIO(data), formats=FORMATS) as image:
            width, height = image.size
            if width * height > max_source_pixels:
                raise _fail(
                    FailureCode.TOO_LARGE,
                    f"the {kind.name} claims {width} x {height} pixels, more than the "
                    f"{max_source_pixels:,} allowed; raise media.max_source_pixels to take it",
                )
            return _decode(image, kind, max_pixels)
    except UnidentifiedImageError as error:
        raise _broken(data, kind, "its header cannot be read") from error
    except (OSError, SyntaxError, ValueError, EOFError, IndexError, KeyError) as error:
        raise _broken(data, kind, str(error)) from error
    except (struct.error, TypeError, OverflowError, ZeroDivisionError) as error:
        raise _broken(data, kind, f"{type(error).__name__}: {error}") from error
    except MemoryError as error:
        raise _fail(
            FailureCode.TOO_LARGE, f"the {kind.name} needs more memory than there is"
        ) from error


def _expect_image(data: bytes) -> FileType:
    return expect(data[:HEAD_BYTES], MediaKind.IMAGE, FORMATS, "convert")


def _broken(data: bytes, kind: FileType, said: str) -> ItemFailure:
    if "truncated" in said.lower() or end_is_missing(data, kind):
        return _fail(
            FailureCode.TRUNCATED, f"the {kind.name} of {len(data):,} bytes is cut off ({said})"
        )
    return _fail(FailureCode.CORRUPT, f"the {kind.name} cannot be decoded ({said})")


def _decode(image: Image.Image, kind: FileType, max_pixels: int) -> Frames:
    source = image.size
    target = fit_within(*source, max_pixels)
    if image.format in ("JPEG", "MPO"):
        image.draft(None, target)
    image.load()
    # TIFF turns itself upright on loading; only then are size and tag what they will be.
    if image.format == "TIFF":
        source, target = image.size, fit_within(*image.size, max_pixels)
    orientation = _orientation(image)
    pixels = _to_eight_bits(image)
    if pixels.size != target:
        pixels = pixels.resize(target, Image.Resampling.BICUBIC, reducing_gap=2.0)
    pixels = _to_rgb(pixels, image.info.get("icc_profile"))
    if orientation in _TRANSPOSE:
        pixels = pixels.transpose(_TRANSPOSE[orientation])
    shown = source[::-1] if orientation in _SWAPS_SIDES else source
    return Frames(
        kind=MediaKind.IMAGE,
        pixels=pixels.tobytes(),
        shapes=((pixels.height, pixels.width),),
        source_width=shown[0],
        source_height=shown[1],
        source_format=kind.name,
    )


def _orientation(image: Image.Image) -> int:
    """EXIF orientation, 1 to 8; 1 if the EXIF block is damaged, as viewers do."""
    try:
        return int(image.getexif().get(_ORIENTATION_TAG, 1))
    except (SyntaxError, ValueError, TypeError, KeyError, OSError, struct.error):
        return 1


def _to_eight_bits(image: Image.Image) -> Image.Image:
    """Bring any mode into one that resizes well: L, RGB, RGBA, CMYK or LAB.

    16-bit samples are scaled by their full range. 32-bit samples have no range of their
    own: floats within 0..1 and integers within 0..65535 are taken as such, others are
    stretched from their smallest to their largest value.
    """
    if image.mode.startswith("I;16"):
        tags = getattr(image, "tag_v2", {})
        bits = tags.get(_BITS_PER_SAMPLE_TAG, (16,))[0]
        return _scaled(image, 0.0, float((1 << bits) - 1))
    if image.mode in ("I", "F"):
        samples = np.asarray(image)
        low, high = float(samples.min()), float(samples.max())
        natural = 1.0 if image.mode == "F" else 65535.0
        if low >= 0 and high <= natural:
            low, high = 0.0, natural
        return _scaled(image, low, high)
    if image.has_transparency_data:
        return image.convert("RGBA")
    if image.mode in ("P", "YCbCr", "HSV", "RGBX"):
        return image.convert("RGB")
    if image.mode == "1":
        return image.convert("L")
    return image


def _scaled(image: Image.Image, low: float, high: float) -> Image.Image:
    samples = np.asarray(image).astype(np.float32)
    samples -= low
    samples *= 255.0 / max(high - low, 1e-12)
    np.nan_to_num(samples, copy=False)
    return Image.fromarray(np.clip(np.rint(samples), 0, 255).astype(np.uint8))


def _to_rgb(image: Image.Image, profile: bytes | None) -> Image.Image:
    alpha = image.getchannel("A") if image.mode == "RGBA" else None
    if alpha is not None:
        image = image.convert("RGB")
    if profile:
        image = _to_srgb(image, profile)
    if image.mode != "RGB":
        image = image.convert("RGB")
    if alpha is not None:
        canvas = Image.new("RGB", image.size, "white")
        canvas.paste(image, mask=alpha)
        return canvas
    return image


def _to_srgb(image: Image.Image, profile: bytes) -> Image.Image:
    """Apply a colour profile; a broken one is left out, as viewers do."""
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        if ImageCms.getProfileDescription(source).strip().startswith("sRGB"):
            return image
        converted = ImageCms.profileToProfile(image, source, _SRGB, outputMode="RGB")
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
        return image
    return image if converted is None else converted
