"""Small image files made by code that ask for far more memory or time than they are worth."""

from __future__ import annotations

import struct
import zlib

from PIL import Image

from tests.media.pictures import RED, encoded, png_chunk, quadrants

Tags = dict[int, tuple[int, int, int]]
"""Of a TIFF directory: the type, count, and value or place of each tag."""

SHORT, LONG, ASCII = 3, 4, 2


def inflating(compressed_bytes: int) -> bytes:
    """A zlib stream that inflates to a thousand times its length."""
    squeeze = zlib.compressobj(9)
    piece = squeeze.compress(bytes(2**20)) + squeeze.flush(zlib.Z_FULL_FLUSH)
    return piece[:2] + piece[2:] * (compressed_bytes // len(piece))


def png_with_bomb(name: bytes, compressed_bytes: int = 10 * 2**20) -> bytes:
    """`quadrants` as a PNG with a chunk (zTXt, iTXt, iCCP) that inflates to gigabytes."""
    start = {
        b"zTXt": b"Raw profile type exif\x00\x00",
        b"iTXt": b"XML:com.adobe.xmp\x00\x01\x00\x00\x00",
        b"iCCP": b"profile\x00\x00",
    }[name]
    return png_with_chunk(name, start + inflating(compressed_bytes))


def png_with_chunk(name: bytes, body: bytes) -> bytes:
    """`quadrants` as a PNG with one more chunk behind its header."""
    png = encoded(quadrants(), "PNG")
    return png[:33] + png_chunk(name, body) + png[33:]


def gif_of_frames(count: int) -> bytes:
    """A GIF of that many red frames of 2 x 2 pixels, each 100 ms."""
    header = b"GIF89a" + struct.pack("<HHBBB", 2, 2, 0x80, 0, 0) + bytes(RED) + bytes(3)
    control = b"\x21\xf9\x04\x00\x0a\x00\x00\x00"
    place = b"," + struct.pack("<HHHHB", 0, 0, 2, 2, 0)
    # Codes of three bits, lowest first: clear, four times colour 0, end.
    bits = sum(code << (3 * number) for number, code in enumerate((4, 0, 0, 0, 0, 5)))
    pixels = b"\x02\x03" + bits.to_bytes(3, "little") + b"\x00"
    return header + (control + place + pixels) * count + b";"


def apng_of_frames(count: int) -> bytes:
    """An APNG of that many red frames of 2 x 2 pixels, each 100 ms."""
    header = struct.pack(">IIBBBBB", 2, 2, 8, 2, 0, 0, 0)
    pixels = zlib.compress((b"\x00" + bytes(RED) * 2) * 2)
    chunks = [png_chunk(b"IHDR", header), png_chunk(b"acTL", struct.pack(">II", count, 0))]
    for frame in range(count):
        number = max(0, 2 * frame - 1)
        control = struct.pack(">IIIIIHHBB", number, 2, 2, 0, 0, 1, 10, 0, 0)
        chunks.append(png_chunk(b"fcTL", control))
        following = struct.pack(">I", number + 1) + pixels
        chunks.append(png_chunk(b"fdAT", following) if frame else png_chunk(b"IDAT", pixels))
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks) + png_chunk(b"IEND", b"")


def webp_of_frames(count: int, canvas: tuple[int, int] = (2, 2)) -> bytes:
    """A WebP of that many red frames of 2 x 2 pixels, each 100 ms."""
    still = encoded(Image.new("RGB", (2, 2), RED), "WEBP", lossless=True)
    place, size, flags = bytes(6), b"\x01\x00\x00" * 2, b"\x02"
    frame = _riff(b"ANMF", place + size + b"\x64\x00\x00" + flags + still[12:])
    sides = b"".join((side - 1).to_bytes(3, "little") for side in canvas)
    body = b"WEBP" + _riff(b"VP8X", b"\x02\x00\x00\x00" + sides)
    return _riff(b"RIFF", body + _riff(b"ANIM", bytes(6)) + frame * count)


def _riff(name: bytes, body: bytes) -> bytes:
    return name + struct.pack("<I", len(body)) + body + bytes(len(body) % 2)


def jpeg_claiming(width: int, height: int) -> bytes:
    """A JPEG of a few hundred bytes whose header says that it is that large."""
    data = encoded(quadrants(), "JPEG")
    place = data.index(b"\xff\xc0") + 5
    return data[:place] + struct.pack(">HH", height, width) + data[place + 4 :]


def jpeg_of_scans(count: int, comment: bytes = b"") -> bytes:
    """A progressive JPEG with its last scan repeated until there are that many.

    Args:
        count: Of the scans.
        comment: Before those that are repeated.
    """
    data = encoded(quadrants(), "JPEG", progressive=True)
    last = data.rindex(b"\xff\xda")
    there = data.count(b"\xff\xda")
    said = b"\xff\xfe" + struct.pack(">H", 2 + len(comment)) + comment
    return data[:-2] + said + data[last:-2] * (count - there) + data[-2:]


def jpeg_by_planes(picture: Image.Image, times: int = 1) -> bytes:
    """A baseline JPEG with a scan for each of its three components, `times` over."""
    planes = [encoded(plane, "JPEG", quality=80) for plane in picture.convert("RGB").split()]
    head, frame = planes[0], planes[0].index(b"\xff\xc0")
    tables = frame + 2 + int.from_bytes(head[frame + 2 : frame + 4], "big")
    scan = head.index(b"\xff\xda", tables)
    three = b"\xff\xc0\x00\x11" + head[frame + 4 : frame + 9] + b"\x03"
    three += b"".join(bytes((number, 0x11, 0)) for number in (1, 2, 3))
    coded = [plane[plane.index(b"\xff\xda", tables) + 10 : -2] for plane in planes]
    scans = [
        b"\xff\xda\x00\x08\x01" + bytes((number, 0, 0, 63, 0)) + data
        for number, data in enumerate(coded, 1)
    ]
    return head[:frame] + three + head[tables:scan] + b"".join(scans) * times + b"\xff\xd9"


def box_claiming(form: str, width: int, height: int) -> bytes:
    """An AVIF or HEIF whose property of the size says that it is that large."""
    # Smaller ones are coded as 64 x 64 pixels, and cropped.
    data = encoded(quadrants(64, 64), form)
    place = data.index(b"ispe") + 8
    return data[:place] + struct.pack(">II", width, height) + data[place + 8 :]


def bmp_claiming(width: int, height: int) -> bytes:
    """A BMP likewise."""
    data = encoded(quadrants(), "BMP")
    return data[:18] + struct.pack("<ii", width, height) + data[26:]


def gif_claiming(width: int, height: int) -> bytes:
    """A GIF whose only frame is that much larger than its canvas."""
    data = gif_of_frames(1)
    place = data.index(b",") + 5
    return data[:place] + struct.pack("<HH", width, height) + data[place + 4 :]


def gif_disposing(width: int, height: int, *, after: int = 0) -> bytes:
    """A GIF with such a frame, after smaller ones; its place is cleared once it was shown."""
    data = gif_of_frames(after + 1)
    control = data.rindex(b"\x21\xf9\x04") + 3
    place = data.index(b",", control) + 5
    data = data[:control] + b"\x08" + data[control + 1 :]
    return data[:place] + struct.pack("<HH", width, height) + data[place + 4 :]


def png_without_palette() -> bytes:
    """A PNG whose pixels are numbers of colours, and that lacks the colours."""
    data = encoded(quadrants().convert("P"), "PNG")
    start = data.index(b"PLTE") - 4
    end = start + 12 + int.from_bytes(data[start : start + 4], "big")
    return data[:start] + data[end:]


def tiff(tags: Tags, *, directories: int = 1, tail: bytes = b"") -> bytes:
    """A TIFF of equal directories, each leading to the next, and the bytes behind them.

    Args:
        tags: Those of a grey image of 2 x 2 pixels, unless they say otherwise.
        directories: How many; 0 for one that leads to itself.
        tail: What they may point to.
    """
    pixels = 8
    plain: Tags = {
        256: (SHORT, 1, 2),
        257: (SHORT, 1, 2),
        258: (SHORT, 1, 8),
        259: (SHORT, 1, 1),
        262: (SHORT, 1, 1),
        273: (LONG, 1, pixels),
        277: (SHORT, 1, 1),
        278: (SHORT, 1, 2),
        279: (LONG, 1, 4),
    }
    entries = sorted((plain | tags).items())
    size = 2 + 12 * len(entries) + 4
    body = struct.pack("<H", len(entries))
    body += b"".join(struct.pack("<HHII", tag, *value) for tag, value in entries)
    first = pixels + 4
    chain = [first + size * (n + 1) for n in range(directories - 1)] + [0]
    leads_to = chain if directories else [first]
    written = b"".join(body + struct.pack("<I", place) for place in leads_to)
    return b"II*\x00" + struct.pack("<I", first) + b"\x80" * 4 + written + tail


def tiff_with_giant_tile(side: int) -> bytes:
    """A TIFF of 2 x 2 pixels in one tile of that size, whose data are a few bytes."""
    packed = zlib.compress(bytes(4096))
    place = 8 + 4 + 2 + 12 * 13 + 4
    return tiff(
        {
            259: (SHORT, 1, 8),
            322: (LONG, 1, side),
            323: (LONG, 1, side),
            324: (LONG, 1, place),
            325: (LONG, 1, len(packed)),
        },
        tail=packed,
    )
