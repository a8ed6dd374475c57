"""Where an ISO file (MP4, MOV) has what must be read before it is known where frames lie."""

from __future__ import annotations

import io
from collections.abc import Iterator
from itertools import accumulate, islice
from typing import BinaryIO

from operators.video.boxes import Box, Span, top_boxes
from operators.video.fragments import cut_headers

FRAGMENT_BYTES = 1 << 13
"""More than the header of one fragment usually has."""

BETWEEN_BYTES = 1 << 10
"""Of small boxes that may stand between two fragments, at most."""

MAX_LIST_BYTES = 1 << 24

MOST_BOXES = 64
"""Looked at, one after another."""

_TAIL_BYTES = 1 << 16
"""At the end of a file, asked for at once: the list of fragments is seldom longer."""


def index_spans(file: BinaryIO, size: int) -> list[Span] | None:
    """What has to be read before it is known where frames lie.

    That is the ``moov`` box; in a fragmented file also the ``moof`` boxes, which a list at
    either end tells.

    Args:
        file: Seekable; is left somewhere.
        size: Of the file, bytes.

    Returns:
        None if only the whole file tells.
    """
    found: list[Span] = []
    starts: set[int] = set()
    for box in islice(top_boxes(file, size), MOST_BOXES):
        if box.kind == b"moov":
            found.append((box.start, box.end))
        elif box.kind == b"sidx":
            starts.update(starts_ahead(file, box))
        elif box.kind == b"moof":
            listed = sorted(starts) or starts_at_the_end(file, size)
            fragments = _header_spans(file, size, box, listed)
            return None if fragments is None else found + fragments
    return found or None


def _header_spans(
    file: BinaryIO, size: int, first: Box, starts: list[int]
) -> list[Span] | None:
    """Where the headers of all fragments lie; None if they are not the ones listed."""
    if starts[:1] != [first.start]:
        return None
    data = next(top_boxes(file, size, first.end), None)
    if len(starts) > 1 and (data is None or not 0 <= starts[1] - data.end <= BETWEEN_BYTES):
        return None
    length = max(FRAGMENT_BYTES, 2 * (first.end - first.start))
    return [(max(0, start - BETWEEN_BYTES), min(start + length, size)) for start in starts]


def better_unseen(file: BinaryIO, is_cut_off: bool) -> list[int]:
    """Offsets of boxes without which FFmpeg finds more frames than with them.

    Args:
        file: Seekable; is left somewhere.
        is_cut_off: Whether it ends early.
    """
    cut = cut_headers(file, file.seek(0, io.SEEK_END)) if is_cut_off else []
    return misleading_lists(file) + cut


def misleading_lists(file: BinaryIO) -> list[int]:
    """Offsets of the ``sidx`` boxes before the first fragment that list several.

    By them FFmpeg knows of no frame but those of the first fragment. Without them it looks at
    each fragment, and knows of all.

    Args:
        file: Seekable; is left somewhere.
    """
    size = file.seek(0, io.SEEK_END)
    found: list[int] = []
    for box in islice(top_boxes(file, size), MOST_BOXES):
        if box.kind == b"moof":
            return found
        if box.kind == b"sidx" and starts_ahead(file, box):
            found.append(box.start)
    return []


def starts_ahead(file: BinaryIO, sidx: Box) -> list[int]:
    """Where fragments begin, as a ``sidx`` box lists them; none if it lists one or others.

    Args:
        file: Seekable; is left somewhere.
        sidx: The box.
    """
    file.seek(sidx.start + 8)
    data = file.read(min(sidx.end - sidx.start, MAX_LIST_BYTES) - 8)
    wide = 8 if data[:1] == b"\1" else 4
    at = 12 + wide
    offset, count = data[at : at + wide], data[at + wide + 2 : at + wide + 4]
    entries = data[at + wide + 4 :]
    lengths = [
        int.from_bytes(entries[12 * number : 12 * number + 4], "big")
        for number in range(min(int.from_bytes(count, "big"), len(entries) // 12))
    ]
    # The highest bit says that more lists are listed.
    if len(lengths) < 2 or max(lengths) >> 31:
        return []
    first = sidx.end + int.from_bytes(offset, "big")
    return list(accumulate(lengths[:-1], initial=first))


def starts_at_the_end(file: BinaryIO, size: int) -> list[int]:
    """Where fragments begin, as the ``mfra`` box at a file's end lists them; none without it.

    Args:
        file: Seekable; is left somewhere.
        size: Of the file, bytes.
    """
    if size < 16:
        return []
    file.seek(max(0, size - _TAIL_BYTES))
    last = file.read(_TAIL_BYTES)[-16:]
    length = int.from_bytes(last[12:16], "big")
    if last[4:8] != b"mfro" or not 16 <= length <= min(size, MAX_LIST_BYTES):
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
