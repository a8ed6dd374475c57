"""How files are built: their boxes, chunks, segments, packets, and the lengths of these."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

Order = Literal["big", "little", "ebml"]


@dataclass(frozen=True)
class Length:
    """A number in a file that says how long something is, or how many there are.

    Attributes:
        at: Its first byte.
        width: Its bytes.
        order: Of its bytes; an EBML one has its width in its first bits.
    """

    at: int
    width: int
    order: Order = "big"

    @property
    def most(self) -> int:
        """The largest number that it can hold."""
        return (1 << (7 if self.order == "ebml" else 8) * self.width) - 1

    def read(self, data: bytes | bytearray) -> int:
        """The number."""
        field = data[self.at : self.at + self.width]
        if self.order == "ebml":
            return int.from_bytes(field, "big") & self.most
        return int.from_bytes(field, self.order)

    def write(self, data: bytearray, value: int) -> None:
        """Overwrite the number, cut to its width."""
        value &= self.most
        if self.order == "ebml":
            value |= 1 << 7 * self.width
        order: Literal["big", "little"] = "little" if self.order == "little" else "big"
        data[self.at : self.at + self.width] = value.to_bytes(self.width, order)


@dataclass(frozen=True)
class Piece:
    """A part of a file that has its own header.

    Attributes:
        start: Its first byte.
        end: The one after its last.
        length: Where its length stands, if it does.
        inside: The lengths of the pieces that hold it.
    """

    start: int
    end: int
    length: Length | None = None
    inside: tuple[Length, ...] = ()


def pieces(data: bytes, form: str) -> list[Piece]:
    """The pieces of a file, those within others too; of a damaged one as far as it goes.

    Args:
        data: The file.
        form: What it is, as `operators.signatures` has it.
    """
    found: list[Piece] = []
    with contextlib.suppress(IndexError):
        found.extend(_WALKS[form](data, 0, len(data), ()))
    return found


_Inside = tuple[Length, ...]

_BOXES_IN = {
    **dict.fromkeys((b"moov", b"trak", b"mdia", b"minf", b"stbl", b"edts", b"dinf"), 8),
    **dict.fromkeys((b"mvex", b"moof", b"traf", b"mfra", b"udta", b"iprp", b"ipco"), 8),
    **dict.fromkeys((b"meta", b"iref"), 12),
    b"iinf": 14,
    **dict.fromkeys((b"stsd", b"dref"), 16),
    **dict.fromkeys((b"avc1", b"hvc1", b"hev1", b"av01", b"vp09", b"mp4v", b"apcn"), 86),
}
"""Where the boxes begin in those that hold others."""


def _boxes(data: bytes, start: int, end: int, inside: _Inside) -> Iterator[Piece]:
    while start + 8 <= end:
        size = int.from_bytes(data[start : start + 4], "big")
        if size < 8 or start + size > end:
            return
        length = Length(start, 4)
        yield Piece(start, start + size, length, inside)
        begin = _BOXES_IN.get(data[start + 4 : start + 8])
        if begin is not None:
            yield from _boxes(data, start + begin, start + size, (*inside, length))
        start += size


def _riff(data: bytes, start: int, end: int, inside: _Inside) -> Iterator[Piece]:
    while start + 8 <= end:
        size = int.from_bytes(data[start + 4 : start + 8], "little")
        stop = min(end, start + 8 + size + size % 2)
        length = Length(start + 4, 4, "little")
        yield Piece(start, stop, length, inside)
        begin = {b"RIFF": 12, b"LIST": 12, b"ANMF": 24}.get(data[start : start + 4])
        if begin is not None:
            yield from _riff(data, start + begin, stop, (*inside, length))
        start = stop


_MASTERS = frozenset(
    element.to_bytes((element.bit_length() + 7) // 8, "big")
    for element in (
        *(0x1A45DFA3, 0x18538067, 0x114D9B74, 0x4DBB, 0x1549A966, 0x1654AE6B, 0xAE, 0xE0),
        *(0x55B0, 0x1F43B675, 0xA0, 0x1C53BB6B, 0xBB, 0xB7, 0x1254C367, 0x7373, 0x63C0),
    )
)
"""EBML elements that hold others."""


def _ebml(data: bytes, start: int, end: int, inside: _Inside) -> Iterator[Piece]:
    while start + 2 <= end and data[start]:
        named = 9 - data[start].bit_length()
        at = start + named
        if at >= end or not data[at]:
            return
        length = Length(at, 9 - data[at].bit_length(), "ebml")
        body = at + length.width
        size = length.read(data)
        stop = end if size == length.most else min(end, body + size)
        yield Piece(start, stop, length, inside)
        if data[start:at] in _MASTERS:
            yield from _ebml(data, body, stop, (*inside, length))
        start = stop


def _png(data: bytes, start: int, end: int, inside: _Inside) -> Iterator[Piece]:
    start += 8
    while start + 12 <= end:
        stop = start + 12 + int.from_bytes(data[start : start + 4], "big")
        yield Piece(start, min(stop, end), Length(start, 4), inside)
        start = stop


def _jpeg(data: bytes, start: int, end: int, inside: _Inside) -> Iterator[Piece]:
    marks = [m.start() for m in re.finditer(rb"\xff[\xc0-\xfe]", data)]
    for begin, stop in pairwise([*marks, end]):
        is_bare = 0xD0 <= data[begin + 1] <= 0xD9
        yield Piece(begin, stop, None if is_bare else Length(begin + 2, 2), inside)


def _gif(data: bytes, start: int, end: int, inside: _Inside) -> Iterator[Piece]:
    table = 3 << (data[10] & 7) + 1 if data[10] & 0x80 else 0
    start += 13 + table
    while start + 2 < end and data[start] in b"\x21,":
        begin, at = start, start + 2
        if data[start] == ord(","):
            flags = data[start + 9]
            at = start + 11 + (3 << (flags & 7) + 1 if flags & 0x80 else 0)
        while at < end and data[at]:
            yield Piece(at, min(end, at + 1 + data[at]), Length(at, 1), inside)
            at += 1 + data[at]
        start = at + 1
        yield Piece(begin, min(start, end), None, inside)


def _tiff(data: bytes, start: int, end: int, inside: _Inside) -> Iterator[Piece]:
    order: Order = "little" if data[:2] == b"II" else "big"
    is_big = b"+" in data[2:4]
    wide, step = (8, 20) if is_big else (4, 12)
    link = Length(8 if is_big else 4, wide, order)
    seen: set[int] = set()
    while 0 < (place := link.read(data)) < end and place not in seen:
        seen.add(place)
        count = Length(place, 8 if is_big else 2, order)
        first = place + count.width
        for entry in range(first, first + step * min(count.read(data), 64), step):
            yield Piece(entry, entry + step, Length(entry + 4, wide, order), (count,))
            yield Piece(entry + 4, entry + step, Length(entry + 4 + wide, wide, order), ())
        link = Length(first + step * count.read(data), wide, order)


def _bmp(data: bytes, start: int, end: int, inside: _Inside) -> Iterator[Piece]:
    body = int.from_bytes(data[10:14], "little")
    yield Piece(0, 14, Length(2, 4, "little"), inside)
    for at in (10, 14, 18, 22, 34, 46):
        yield Piece(at, at + 4, Length(at, 4, "little"), inside)
    yield Piece(54, body, None, inside)
    yield Piece(body, end, None, inside)


def _packets(data: bytes, start: int, end: int, inside: _Inside) -> Iterator[Piece]:
    step = 188 if data[0] == 0x47 else 192
    for begin in range(0, end, step):
        field = begin + step - 188 + 4
        yield Piece(begin, min(begin + step, end), Length(field, 1), inside)


def _start_codes(data: bytes, start: int, end: int, inside: _Inside) -> Iterator[Piece]:
    codes = [m.start() for m in re.finditer(rb"\x00\x00\x01[\xb9-\xff]", data)]
    for begin, stop in pairwise([*codes, end]):
        yield Piece(begin, stop, Length(begin + 4, 2), inside)


def _flv(data: bytes, start: int, end: int, inside: _Inside) -> Iterator[Piece]:
    start += 13
    while start + 15 <= end:
        stop = start + 15 + int.from_bytes(data[start + 1 : start + 4], "big")
        yield Piece(start, min(stop, end), Length(start + 1, 3), inside)
        start = stop


def _asf(data: bytes, start: int, end: int, inside: _Inside) -> Iterator[Piece]:
    while start + 24 <= end:
        length = Length(start + 16, 8, "little")
        stop = start + length.read(data)
        if not start + 24 <= stop <= end:
            return
        yield Piece(start, stop, length, inside)
        if start == 0:
            yield from _asf(data, 30, stop, (length,))
        start = stop


_WALKS: dict[str, Callable[[bytes, int, int, _Inside], Iterator[Piece]]] = {
    **dict.fromkeys(("mp4", "mov", "avif", "heic"), _boxes),
    **dict.fromkeys(("webp", "avi"), _riff),
    **dict.fromkeys(("matroska", "webm"), _ebml),
    "png": _png,
    "jpeg": _jpeg,
    "gif": _gif,
    "tiff": _tiff,
    "bmp": _bmp,
    "mpegts": _packets,
    "mpegps": _start_codes,
    "flv": _flv,
    "asf": _asf,
}
