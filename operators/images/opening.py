"""Opening image files with Pillow: what they are, what they claim, how they are broken."""

from __future__ import annotations

import contextlib
import ctypes
import io
import struct
import warnings
from collections.abc import Collection, Iterator
from typing import Any

import pillow_heif
from PIL import AvifImagePlugin, Image, PngImagePlugin, UnidentifiedImageError

from operators.images.limits import (
    check_before_opening,
    check_memory,
    check_opened,
    limiting,
)
from operators.images.png_chunks import MAX_INFLATED_BYTES, essential
from operators.signatures import HEAD_BYTES, FileType, end_is_missing, expect
from schemas.failure import FailureCode, ItemFailure, Stage
from schemas.media import MediaKind

_PLUGINS = {
    "jpeg": "JPEG",
    "png": "PNG",
    "webp": "WEBP",
    "avif": "AVIF",
    "heic": "HEIF",
    "gif": "GIF",
    "tiff": "TIFF",
    "bmp": "BMP",
}

# Sizes are checked against the job's own limit, see `limits`. Pillow's limit is fixed, warns
# on stderr, and cannot be set for one thread alone.
Image.MAX_IMAGE_PIXELS = None
# The pixels of larger images lie in several blocks, which cannot be seen without a copy.
Image.core.set_block_size(256 * 1024**2)
# Pillow warns of every damaged EXIF block; a batch of millions has many.
warnings.filterwarnings("ignore", module=r"(PIL|pillow_heif)\..*")
PngImagePlugin.MAX_TEXT_CHUNK = MAX_INFLATED_BYTES
# So does libtiff, on stderr; Pillow goes by what it returns. A build of Pillow may lack it.
with contextlib.suppress(AttributeError, OSError):
    ctypes.CDLL(Image.core.__file__).TIFFSetErrorHandler(None)
# A decode worker has one CPU.
AvifImagePlugin.DEFAULT_MAX_THREADS = 1
pillow_heif.register_heif_opener(
    thumbnails=False, depth_images=False, aux_images=False, decode_threads=1
)


def _fail(code: FailureCode, message: str) -> ItemFailure:
    return ItemFailure(Stage.DECODE, code, message)


@contextlib.contextmanager
def opened(
    data: bytes, formats: Collection[str], max_source_pixels: int, max_decode_bytes: int
) -> Iterator[tuple[Image.Image, FileType]]:
    """An opened image file, and what it is. Its pixels are not loaded yet.

    Whatever Pillow raises inside the block becomes an `ItemFailure`.

    Args:
        data: The file.
        formats: Names of those that may be read (`schemas.media.IMAGE_FORMATS`).
        max_source_pixels: Most pixels that it may claim.
        max_decode_bytes: Most memory that decoding may take; of a JPEG, which may be decoded at
            a reduced size, that is checked when it is loaded.

    Raises:
        ItemFailure: EMPTY_FILE, NOT_MEDIA, FORMAT_NOT_ALLOWED, TOO_LARGE, TRUNCATED or
            CORRUPT, at the stage decode.
    """
    kind = expect(data[:HEAD_BYTES], MediaKind.IMAGE, formats, "convert")
    if kind.name not in formats:
        raise _fail(
            FailureCode.FORMAT_NOT_ALLOWED,
            f"{kind.name} is not among media.image_formats ({', '.join(formats)}); add it "
            "there, or convert the image to one of them",
        )
    with _mapping_errors(data, kind), limiting(kind, max_source_pixels, max_decode_bytes):
        check_before_opening(data)
        readable = essential(data) if kind.name == "png" else data
        with Image.open(io.BytesIO(readable), formats=(_PLUGINS[kind.name],)) as image:
            check_opened(image, readable, kind, max_source_pixels)
            if kind.name == "jpeg":
                # All at once: libjpeg slows down towards the end of each piece it is fed.
                image.decodermaxblock = len(data)
            else:
                check_memory(image, image.size)
            if kind.name == "webp":
                _keep_alpha(image)
            if kind.name == "tiff":
                _check_strips(image)
            yield image, kind


def _keep_alpha(image: Any) -> None:
    """See an animated WebP's canvas where no frame covers it, also if its flags deny that.

    Encoders cut frames down to what is opaque, and then find no alpha left. Pillow goes by
    the flag and takes the empty canvas for black.
    """
    if image.is_animated:
        image.rawmode = image._mode = "RGBA"


def _check_strips(image: Any) -> None:
    """Refuse a TIFF that lacks strips or tiles: Pillow leaves black what they would hold."""
    width, height = image.size
    there = sum(
        (right - left) * (lower - upper) for _, (left, upper, right, lower), *_ in image.tile
    )
    if there < width * height:
        raise _fail(
            FailureCode.CORRUPT,
            f"the tiff of {width} x {height} pixels has strips or tiles for {there:,} of its "
            f"{width * height:,} pixels",
        )


@contextlib.contextmanager
def _mapping_errors(data: bytes, kind: FileType) -> Iterator[None]:
    try:
        yield
    except UnidentifiedImageError as error:
        said = "its header cannot be read, or tells of pixels of an unknown kind; convert it"
        raise _broken(data, kind, said) from error
    except (OSError, SyntaxError, ValueError, EOFError, LookupError, RuntimeError) as error:
        raise _broken(data, kind, str(error).strip()) from error
    except (struct.error, TypeError, ArithmeticError, AssertionError) as error:
        raise _broken(data, kind, f"{type(error).__name__}: {error}") from error
    except MemoryError as error:
        raise _fail(
            FailureCode.TOO_LARGE, f"the {kind.name} needs more memory than there is"
        ) from error


def _broken(data: bytes, kind: FileType, said: str) -> ItemFailure:
    if "truncated" in said.lower() or end_is_missing(data, kind):
        return _fail(
            FailureCode.TRUNCATED, f"the {kind.name} of {len(data):,} bytes is cut off ({said})"
        )
    return _fail(FailureCode.CORRUPT, f"the {kind.name} cannot be decoded ({said})")
