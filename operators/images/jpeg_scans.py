"""The scans of a JPEG: how often its decoder passes over the pixels."""

from __future__ import annotations

import re
from collections.abc import Iterator

_START_OF_SCAN, _END = 0xDA, 0xD9
# Of coded data: zeros after 255, and restarts; of padding: more of 255.
_MARKER = re.compile(rb"\xff+([^\x00\x01\xd0-\xd8\xff])", re.DOTALL)


def scans(data: bytes) -> Iterator[int]:
    """How many components each scan of a JPEG has.

    Segments are passed by as their lengths say: what is in them is no marker, whatever it
    looks like. Nothing is read of the file but what has been asked for.

    Args:
        data: The file.
    """
    place = 2
    while found := _MARKER.search(data, place):
        marker, place = found[1][0], found.end()
        if marker == _END:
            return
        length = int.from_bytes(data[place : place + 2], "big")
        if marker == _START_OF_SCAN:
            yield data[place + 2] if place + 2 < len(data) else 0
        place += max(2, length)
