"""What the fragments of an ISO file claim, before FFmpeg takes memory for it."""

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
    for position, length in _fragments(file, size):
        file.seek(position)
        header = file.read(min(length, MOST_BYTES))
        found += sum(int.from_bytes(run[1], "big") for run in _RUN.finditer(header))
    return found


def _fragments(file: BinaryIO, size: int) -> Iterator[tuple[int, int]]:
    """Offset and length of each ``moof`` box, as far as the boxes make sense."""
    position = 0
    while position + 8 <= size:
        file.seek(position)
        header = file.read(16)
        length = int.from_bytes(header[:4], "big")
        if length == 1:
            length = int.from_bytes(header[8:16], "big")
        if length < 8:
            return
        if header[4:8] == b"moof":
            yield position, min(length, size - position)
        position += length
