"""MP4 files taken apart: boxes exchanged, edit lists written, claims made."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable, Iterator, Sequence

TRACK = (b"moov", b"trak")
MEDIA = (*TRACK, b"mdia")
SAMPLES = (*MEDIA, b"minf", b"stbl")


def _boxes(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    position = 0
    while position < len(data):
        size = int.from_bytes(data[position : position + 4], "big")
        yield data[position + 4 : position + 8], data[position + 8 : position + size]
        position += size


def with_box(data: bytes, path: Sequence[bytes], change: Callable[[bytes], bytes]) -> bytes:
    """The file with what is in the boxes of a path changed; their sizes follow.

    What `moov` holds may grow: in files that PyAV writes, it comes last.
    """
    parts = []
    for kind, body in _boxes(data):
        if kind == path[0]:
            body = change(body) if len(path) == 1 else with_box(body, path[1:], change)
        parts.append(struct.pack(">I4s", 8 + len(body), kind) + body)
    return b"".join(parts)


def with_bytes(data: bytes, path: Sequence[bytes], offset: int, new: bytes) -> bytes:
    """The file with some bytes of a box overwritten; the offset counts from its content."""
    return with_box(data, path, lambda body: body[:offset] + new + body[offset + len(new) :])


def with_edits(data: bytes, edits: Sequence[tuple[int, int]]) -> bytes:
    """The file with another edit list.

    Args:
        data: The file, of one track.
        edits: Of each, its length in milliseconds and the media time where it begins, in
            ticks of the track; -1 for nothing.
    """
    entries = b"".join(struct.pack(">IiI", length, begin, 1 << 16) for length, begin in edits)
    new = struct.pack(">II", 0, len(edits)) + entries
    return with_box(data, (*TRACK, b"edts", b"elst"), lambda _: new)


def with_compressed_index(data: bytes, coded: tuple[bytes, int] | None = None) -> bytes:
    """The file with its index compressed, as QuickTime wrote it for the web of old.

    Args:
        data: The file, whose index comes last.
        coded: Another index, compressed, and its bytes once it is not.
    """
    at = data.index(b"moov") - 4
    index = data[at:]
    inflates_to = len(index) if coded is None else coded[1]
    body = zlib.compress(index) if coded is None else coded[0]
    parts = _box(b"dcom", b"zlib") + _box(b"cmvd", struct.pack(">I", inflates_to) + body)
    return data[:at] + _box(b"moov", _box(b"cmov", parts))


def _box(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I4s", 8 + len(body), kind) + body
