"""The boxes of an ISO file (MP4, MOV): where what must be read first lies."""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

Span = tuple[int, int]
"""Offsets of the first byte and of the one after the last."""

FRAGMENT_BYTES = 1 << 13
"""More than the index of one fragment usually has."""

MAX_MFRA_BYTES = 1 << 24


@dataclass(frozen=True)
class Box:
    """A box at the top of a file.

    Attributes:
        kind: Four characters.
        start: Offset of its first byte.
        end: Of the one after its last.
    """

    kind: bytes
    start: int
    end: int


def top_boxes(file: BinaryIO, size: int) -> Iterator[Box]:
    """The boxes of a file one after another, as far as they make sense.

    Args:
        file: Seekable; only headers are read.
        size: Of the file, bytes.
    """
    position = 0
    while position + 8 <= size:
        file.seek(position)
        header = file.read(16)
        length, kind = int.from_bytes(header[:4], "big"), header[4:8]
        if length == 1:
            length = int.from_bytes(header[8:16], "big")
        if length == 0:
            length = size - position
        if length < 8 or not kind.isalnum():
            return
        yield Box(kind, position, min(position + length, size))
        position += length


def index_spans(file: BinaryIO, size: int) -> list[Span] | None:
    """What has to be read before it is known where frames lie.

    That is the ``moov`` box; in a fragmented file also the ``moof`` boxes, where a list of them
    stands at the end and none at the start, which readers go by.

    Args:
        file: Seekable; is left somewhere.
        size: Of the file, bytes.

    Returns:
        None if only the whole file tells.
    """
    found: list[Span] = []
    for box in top_boxes(file, size):
        if box.kind == b"moov":
            found.append((box.start, box.end))
        elif box.kind == b"sidx" or (box.kind == b"mdat" and found):
            return found
        elif box.kind == b"moof":
            starts = fragment_starts(file, size)
            if not starts:
                return None
            return [*found, *((start, start + FRAGMENT_BYTES) for start in starts)]
    return found or None


def fragment_starts(file: BinaryIO, size: int) -> list[int]:
    """Where fragments begin, as the ``mfra`` box at a file's end lists them; none without it.

    Args:
        file: Seekable; is left somewhere.
        size: Of the file, bytes.
    """
    if size < 16:
        return []
    file.seek(size - 16)
    last = file.read(16)
    length = int.from_bytes(last[12:16], "big")
    if last[4:8] != b"mfro" or not 16 <= length <= min(size, MAX_MFRA_BYTES):
        return []
    file.seek(size - length)
    mfra = io.BytesIO(file.read(length))
    if mfra.getvalue()[4:8] != b"mfra":
        return []
    mfra = io.BytesIO(mfra.getvalue()[8:])
    starts: set[int] = set()
    for box in top_boxes(mfra, length - 8):
        if box.kind == b"tfra":
            starts.update(_listed(mfra.getvalue()[box.start + 8 : box.end]))
    return sorted(start for start in starts if start < size)


def _listed(tfra: bytes) -> Iterator[int]:
    """The offsets in a ``tfra`` box, whose header is left out."""
    if len(tfra) < 16:
        return
    wide = 8 if tfra[0] == 1 else 4
    lengths = int.from_bytes(tfra[8:12], "big")
    numbers = sum((lengths >> shift & 3) + 1 for shift in (4, 2, 0))
    step = 2 * wide + numbers
    count = min(int.from_bytes(tfra[12:16], "big"), (len(tfra) - 16) // step)
    for number in range(count):
        at = 16 + number * step + wide
        yield int.from_bytes(tfra[at : at + wide], "big")
