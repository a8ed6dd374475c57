"""Images made by code, each in a way that a decoder can get wrong."""

from __future__ import annotations

import io
import struct
import zlib
from typing import Any

import numpy as np
from PIL import Image, ImageCms

RED, GREEN, BLUE, WHITE = (255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255)
QUADRANTS = (RED, GREEN, BLUE, WHITE)
"""Colours of `quadrants`: top left, top right, bottom left, bottom right."""


def quadrants(width: int = 64, height: int = 32) -> Image.Image:
    """An RGB image of four coloured quarters, so that every orientation differs."""
    image = Image.new("RGB", (width, height))
    half = (width // 2, height // 2)
    for number, colour in enumerate(QUADRANTS):
        corner = ((number % 2) * half[0], (number // 2) * half[1])
        image.paste(colour, (*corner, corner[0] + half[0], corner[1] + half[1]))
    return image


def encoded(image: Image.Image, form: str, **options: Any) -> bytes:
    """The image as a file's bytes."""
    file = io.BytesIO()
    image.save(file, format=form, **options)
    return file.getvalue()


def oriented(orientation: int, form: str = "JPEG") -> bytes:
    """`quadrants` stored turned, with the EXIF tag that turns it upright again."""
    undo = {
        1: None,
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_90,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }[orientation]
    image = quadrants() if undo is None else quadrants().transpose(undo)
    exif = Image.Exif()
    exif[0x0112] = orientation
    options = {"quality": 95, "subsampling": 0} if form == "JPEG" else {}
    return encoded(image, form, exif=exif, **options)


def corners(pixels: np.ndarray) -> list[tuple[int, ...]]:
    """The colours in the middle of the four quarters of an (h, w, 3) array."""
    height, width, _ = pixels.shape
    return [
        tuple(int(v) for v in pixels[height * y // 4, width * x // 4])
        for y in (1, 3)
        for x in (1, 3)
    ]


def _chunk(name: bytes, body: bytes) -> bytes:
    return (
        struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
    )


def png_bomb(side: int = 40_000) -> bytes:
    """A PNG of a few bytes that claims `side` x `side` pixels."""
    header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    body = _chunk(b"IHDR", header) + _chunk(b"IDAT", zlib.compress(b"\x00" * 1000))
    return b"\x89PNG\r\n\x1a\n" + body + _chunk(b"IEND", b"")


def deep_png(values: np.ndarray) -> bytes:
    """A 16-bit RGB PNG of an (h, w, 3) array; Pillow cannot write one."""
    height, width, _ = values.shape
    rows = values.astype(">u2").tobytes()
    stride = width * 6
    raw = b"".join(b"\x00" + rows[y * stride : (y + 1) * stride] for y in range(height))
    header = struct.pack(">IIBBBBB", width, height, 16, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + _chunk(b"IHDR", header)
        + _chunk(b"IDAT", zlib.compress(raw))
        + _chunk(b"IEND", b"")
    )


def swapped_profile() -> bytes:
    """An ICC profile in which red and blue are swapped, made from Pillow's own sRGB."""
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    profile = profile.replace("sRGB".encode("utf-16-be"), "swap".encode("utf-16-be"))
    profile = profile.replace(b"rXYZ", b"????").replace(b"bXYZ", b"rXYZ")
    return profile.replace(b"????", b"bXYZ")


def animation(form: str) -> bytes:
    """An animation of a red frame, then a blue one."""
    frames = [Image.new("RGB", (16, 16), colour) for colour in (RED, BLUE)]
    return encoded(frames[0], form, save_all=True, append_images=frames[1:], duration=40)
