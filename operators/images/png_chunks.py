"""PNG files without the chunks that say nothing about their pixels.

Pillow reads every chunk: one text that is too long or has a wrong checksum would cost the
picture. Programs that generate pictures keep whole workflows there.
"""

from __future__ import annotations

import struct
import zlib

MAX_INFLATED_BYTES = 16 * 1024**2
"""A colour profile or text that inflates to more is left out, as if it were not there."""

_START = 8
_FRAME_BYTES = 12  # of a chunk beside its body: length, name, checksum
_PIXELS = frozenset({b"tRNS", b"eXIf", b"acTL", b"fcTL", b"fdAT"})
_TEXTS = frozenset({b"tEXt", b"zTXt", b"iTXt"})
_ORIENTATION = (b"XML:com.adobe.xmp\x00", b"Raw profile type exif\x00")


def essential(data: bytes) -> bytes:
    """A PNG with only those chunks that can change how it looks.

    Args:
        data: The file; where it is damaged or cut, the rest stays as it is.

    Returns:
        The very same bytes where nothing is left out.
    """
    kept: list[bytes] = []
    begin = place = _START
    while place + _FRAME_BYTES <= len(data):
        length, name = struct.unpack_from(">I4s", data, place)
        end = place + _FRAME_BYTES + length
        if end > len(data) or not name.isalpha():
            break
        if not _matters(data, name, place + 8, length):
            kept.append(data[begin:place])
            begin = end
        place = end
    return data if not kept else b"".join((data[:_START], *kept, data[begin:]))


def _matters(data: bytes, name: bytes, place: int, length: int) -> bool:
    is_critical = not name[0] & 0x20
    if is_critical or name in _PIXELS:
        return True
    if name == b"iCCP":
        return _is_small(name, data[place : place + length])
    if name in _TEXTS and data.startswith(_ORIENTATION, place):
        return _is_small(name, data[place : place + length])
    return False


def _is_small(name: bytes, body: bytes) -> bool:
    """Whether it inflates to no more than is allowed; broken streams are the reader's."""
    _, _, rest = body.partition(b"\x00")
    if name == b"iTXt" and rest[:1] == b"\x01":
        rest = rest[2:].split(b"\x00", 2)[-1]
    elif name in (b"iCCP", b"zTXt"):
        rest = rest[1:]
    else:
        return len(body) <= MAX_INFLATED_BYTES
    try:
        inflated = zlib.decompressobj().decompress(rest, MAX_INFLATED_BYTES + 1)
    except zlib.error:
        return True
    return len(inflated) <= MAX_INFLATED_BYTES
