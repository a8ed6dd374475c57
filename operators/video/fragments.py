"""The headers of an ISO file's fragments, before FFmpeg takes them at their word."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import BinaryIO

MOST_BYTES = 1 << 22
"""Of a fragment's header as far as it is read; they have a few hundred bytes."""

_RUN = re.compile(rb"trun.{4}(.{4})", re.DOTALL)
"""A run of samples: its name, version and flags, and how many there are."""


def claimed_samples(file: BinaryIO, size: int) -> int:
    """How many samples the fragments of an ISO file claim; 0 of a file without any.

    A run whose samples are all alike needs no byte for each, and FFmpeg makes an entry of
    some 36 bytes for each when it meets the run: gigabytes for a few changed bits.

    Args:
        file: The file, seekable; its position is changed.
        size: Its bytes.
    """
    found = 0
    for kind, position, length in _boxes(file, size):
        if kind != b"moof":
            continue
        file.seek(position)
        header = file.read(min(length, size - position, MOST_BYTES))
        found += sum(int.from_bytes(run[1], "big") for run in _RUN.finditer(header))
    return found


def cut_headers(file: BinaryIO, size: int) -> list[int]:
    """Offset of the header of a fragment, or list of some, in which a file ends, if in any.

    For half a header FFmpeg would give up the whole fragments before it.

    Args:
        file: The file, seekable; its position is changed.
        size: Its bytes.
    """
    return [
        start
        for kind, start, length in _boxes(file, size)
        if kind in (b"moof", b"sidx") and start + length > size
    ]


def _boxes(file: BinaryIO, size: int) -> Iterator[tuple[bytes, int, int]]:
    """Kind, offset and length of each box, by its own word, as far as they make sense."""
    position = 0
    while position + 8 <= size:
        file.seek(position)
        header = file.read(16)
        length = int.from_bytes(header[:4], "big")
        if length == 1:
            length = int.from_bytes(header[8:16], "big")
        if length < 8:
            return
        yield header[4:8], position, length
        position += length
