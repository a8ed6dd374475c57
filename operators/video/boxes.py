"""The boxes of an ISO file (MP4, MOV)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

Span = tuple[int, int]
"""Offsets of the first byte and of the one after the last."""


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


def top_boxes(file: BinaryIO, size: int, position: int = 0) -> Iterator[Box]:
    """The boxes of a file one after another, as far as they make sense.

    Args:
        file: Seekable; only headers are read.
        size: Of the file, bytes.
        position: Where the first begins.
    """
    for box, _ in headed_boxes(file, size, position):
        if not box.kind.isalnum():
            return
        yield box


def headed_boxes(file: BinaryIO, size: int, position: int = 0) -> Iterator[tuple[Box, bytes]]:
    """Whatever stands where boxes do, each with its first 16 bytes; see `top_boxes`."""
    while position + 8 <= size:
        file.seek(position)
        header = file.read(16)
        length = int.from_bytes(header[:4], "big")
        if length == 1:
            length = int.from_bytes(header[8:16], "big")
        if length == 0:
            length = size - position
        if length < 8:
            return
        yield Box(header[4:8], position, min(position + length, size)), header
        position += length
