"""Images made by code, each in a way that a decoder can get wrong."""

from __future__ import annotations

import base64
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
    options: dict[str, Any] = {"JPEG": {"quality": 95, "subsampling": 0}}.get(form, {})
    if form == "HEIF":  # Turned by the container, and EXIF says so a second time.
        return encoded(image, form, exif=exif.tobytes(), quality=95)
    return encoded(image, form, exif=exif, **options)


def avif_turned_twice() -> bytes:
    """`quadrants` as an AVIF that its container turns, and whose EXIF says so a second time."""
    exif = Image.Exif()
    exif[0x0112] = 6
    exif[0x0113] = 6
    turned = encoded(quadrants().transpose(Image.Transpose.ROTATE_90), "AVIF", exif=exif)
    # Pillow takes the tag out of the EXIF block when it turns the container.
    return turned.replace(b"\x01\x13\x00\x03", b"\x01\x12\x00\x03")


def corners(pixels: np.ndarray) -> list[tuple[int, ...]]:
    """The colours in the middle of the four quarters of an (h, w, 3) array."""
    height, width, _ = pixels.shape
    return [
        tuple(int(v) for v in pixels[height * y // 4, width * x // 4])
        for y in (1, 3)
        for x in (1, 3)
    ]


def png_chunk(name: bytes, body: bytes) -> bytes:
    """One chunk of a PNG, with its checksum."""
    return (
        struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
    )


def png_bomb(side: int = 40_000) -> bytes:
    """A PNG of a few bytes that claims `side` x `side` pixels."""
    header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    body = png_chunk(b"IHDR", header) + png_chunk(b"IDAT", zlib.compress(b"\x00" * 1000))
    return b"\x89PNG\r\n\x1a\n" + body + png_chunk(b"IEND", b"")


def deep_png(values: np.ndarray) -> bytes:
    """A 16-bit RGB PNG of an (h, w, 3) array; Pillow cannot write one."""
    height, width, _ = values.shape
    rows = values.astype(">u2").tobytes()
    stride = width * 6
    raw = b"".join(b"\x00" + rows[y * stride : (y + 1) * stride] for y in range(height))
    header = struct.pack(">IIBBBBB", width, height, 16, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + png_chunk(b"IHDR", header)
        + png_chunk(b"IDAT", zlib.compress(raw))
        + png_chunk(b"IEND", b"")
    )


def swapped_profile() -> bytes:
    """An ICC profile in which red and blue are swapped, made from Pillow's own sRGB."""
    profile = srgb_profile().replace("sRGB".encode("utf-16-be"), "swap".encode("utf-16-be"))
    profile = profile.replace(b"rXYZ", b"????").replace(b"bXYZ", b"rXYZ")
    return profile.replace(b"????", b"bXYZ")


def srgb_profile() -> bytes:
    """Pillow's own sRGB."""
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def in_lab(image: Image.Image) -> Image.Image:
    """An RGB image in L*a*b*, 8 bits."""
    srgb, lab = ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB")
    converted = ImageCms.profileToProfile(image, srgb, lab, outputMode="LAB")
    assert converted is not None
    return converted


def animation(form: str) -> bytes:
    """An animation of a red frame, then a blue one."""
    frames = [Image.new("RGB", (16, 16), colour) for colour in (RED, BLUE)]
    return encoded(frames[0], form, save_all=True, append_images=frames[1:], duration=40)


ARITHMETIC_JPEG = base64.b85decode(
    "|JeWF01!$>Nk#wx0RR9200961|JwjV00RO70|EjA0|NsD0|NvF2n7WM1O*BQ2L=cX3JeSj3JVJj4iXRz4iOFu"
    "3lJ6%5fc;@6%`B*7Z?^47!ni}6#v@*LjeN>1O)^I2?YfS6b%av6ciK`6ciK`6ciK`6ciK`6ciK`6ciK`6ciK`"
    "6ciK`6ciK`6ciK`6ciK`6ciK`6cqo-01*fPAOJuE0TBQK5di}c0sqVZ3IGrg1pyEd1^?Or3<CiG0ucid06zf#"
    "0NF_#R1%_p>dmEcw@$@3?II-!{Oa|1yVc>c&sb1uIAA#`DDetr@kujv9J~Jj0fbIkw&4HS"
)
"""`quadrants` as ``cjpeg -arithmetic -quality 90 -sample 1x1`` writes it; Pillow cannot."""


def ycck_jpeg() -> bytes:
    """`quadrants` in the four inks of an Adobe JPEG whose colours are stored as YCbCr."""
    inks = quadrants().convert("CMYK")
    cyan, magenta, yellow, black = inks.split()
    stored = Image.merge("RGB", (cyan, magenta, yellow)).convert("YCbCr").split()
    # Pillow inverts what it stores, all but the colours that are to be as they are.
    planes = [plane.point(lambda value: 255 - value) for plane in stored]
    data = encoded(Image.merge("CMYK", (*planes, black)), "JPEG", quality=95)
    place = data.index(b"Adobe") + 11
    return data[:place] + b"\x02" + data[place + 1 :]


def grey_with_key() -> bytes:
    """A 16-bit grey PNG, 4 x 2: black at the left; what has the value 1000 is transparent."""
    samples = np.zeros((2, 4), np.uint16)
    samples[:, 2:] = 1000
    png = encoded(Image.fromarray(samples), "PNG")
    return png[:33] + png_chunk(b"tRNS", struct.pack(">H", 1000)) + png[33:]


def apng_with_default() -> bytes:
    """A green picture for readers that know no APNG, then frames in red and in blue."""
    frames = [Image.new("RGB", (16, 16), colour) for colour in (GREEN, RED, BLUE)]
    return encoded(
        frames[0],
        "PNG",
        save_all=True,
        append_images=frames[1:],
        default_image=True,
        duration=[500, 1000],
    )


def film(
    form: str,
    durations_ms: tuple[int, ...] = (1000, 500, 2500),
    greys: tuple[int, ...] = tuple(range(20, 256, 30)),
) -> bytes:
    """An animation of plain grey frames."""
    frames = [
        Image.new("RGB", (32, 16), (grey,) * 3)
        for grey, _ in zip(greys, durations_ms, strict=False)
    ]
    options: dict[str, Any] = {"quality": 95} if form == "AVIF" else {}
    if form == "WEBP":
        options["lossless"] = True
    return encoded(
        frames[0],
        form,
        save_all=True,
        append_images=frames[1:],
        duration=list(durations_ms),
        loop=0,
        **options,
    )


def sticker(form: str) -> bytes:
    """An animation without a background: a red bar of 10 x 20 pixels wanders over 40 x 20."""
    frames = [Image.new("RGBA", (40, 20), (0, 0, 0, 0)) for _ in range(4)]
    for number, frame in enumerate(frames):
        frame.paste((*RED, 255), (10 * number, 0, 10 * number + 10, 20))
    options: dict[str, dict[str, Any]] = {
        "GIF": {"disposal": 2},
        "PNG": {"disposal": 1},
        "WEBP": {"lossless": True},
        "AVIF": {"quality": 95},
    }
    return encoded(
        frames[0],
        form,
        save_all=True,
        append_images=frames[1:],
        duration=100,
        **options[form],
    )
