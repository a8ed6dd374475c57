"""What the index of an ISO file (MP4, MOV) claims, before FFmpeg takes it at its word.

A few bytes of an index can ask for gigabytes, or for hours in which nothing stops FFmpeg.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterator
from typing import BinaryIO

from operators.video.boxes import headed_boxes
from operators.video.fragments import claimed_samples
from schemas.failure import FailureCode, ItemFailure, Stage

MOST_INDEX_BYTES = 1 << 28
"""Of one box with an index; that of twelve hours has some 30 MB."""

MOST_INFLATED_BYTES = 1 << 24
"""Of an index that is compressed, as old QuickTime files have it."""

USUAL_EDITS = 100
"""So many edits of a track are never too many."""

MOST_EDITED = 1 << 20
"""Edits times samples beyond that: FFmpeg may list each sample once for each edit."""

_LOOKED_INTO = frozenset(
    {b"moov", b"trak", b"mdia", b"minf", b"stbl", b"edts", b"udta", b"meta"}
    | {b"moof", b"traf", b"mvex", b"dinf", b"wave", b"cmov", b"hoov"}
)
_PASS_FOR_MOOV = frozenset({b"mvhd", b"cmov"})
_COMPRESSED = re.compile(rb"(.{4})cmvd(.{4})", re.DOTALL)
_SIZES = re.compile(rb"stsz.{8}(.{4})", re.DOTALL)
_EDITS = re.compile(rb"(.{4})elst.{4}(.{4})", re.DOTALL)
# FFmpeg takes PCM by its chunks, in which a sample is one of a sound wave.
_SOUND, _PICTURES = (
    re.compile(rb"hdlr.{8}soun", re.DOTALL),
    re.compile(rb"hdlr.{8}vide", re.DOTALL),
)


def check_claims(file: BinaryIO, size: int, container: str) -> None:
    """Refuse an ISO file whose index claims what no file of its size can hold.

    Args:
        file: Seekable; is left somewhere.
        size: Its bytes.
        container: Its name, for messages.

    Raises:
        ItemFailure: CORRUPT if it claims more samples than bytes; TOO_LARGE if its index, or
            what FFmpeg would make of it, is too large.
    """
    whose = f"the {container} of {size:,} bytes"
    _check_samples(claimed_samples(file, size), size, whose)
    for position, length in _indices(file, size):
        if length > MOST_INDEX_BYTES:
            raise _too_large(f"{whose} has an index of {length:,} bytes", MOST_INDEX_BYTES)
        file.seek(position)
        index = file.read(length)
        _check_index(index, size, whose)
        for inner in _inflated(index, whose):
            _check_index(inner, size, whose)


def _indices(file: BinaryIO, size: int) -> Iterator[tuple[int, int]]:
    """Offset and length of each box at the top that FFmpeg looks into."""
    for box, header in headed_boxes(file, size):
        # FFmpeg takes what a writer left as free for the index if it begins like one.
        passes = box.kind == b"free" and header[12:16] in _PASS_FOR_MOOV
        if box.kind in _LOOKED_INTO or passes:
            yield box.start, box.end - box.start


def _check_index(index: bytes, size: int, whose: str) -> None:
    for track in index.split(b"trak"):
        samples = max((_number(found[1]) for found in _SIZES.finditer(track)), default=0)
        if not _SOUND.search(track) or _PICTURES.search(track):
            _check_samples(samples, size, whose)
        edits = max((_held(found) for found in _EDITS.finditer(track)), default=0)
        if edits > USUAL_EDITS and edits * min(samples, size) > MOST_EDITED:
            raise _too_large(
                f"{whose} has an edit list of {edits:,} entries for {samples:,} samples",
                MOST_EDITED,
            )


def _held(edits: re.Match[bytes]) -> int:
    """How many edits a list claims, as far as there is room for them."""
    return min(_number(edits[2]), _number(edits[1]) // 12)


def _inflated(index: bytes, whose: str) -> Iterator[bytes]:
    """What the compressed parts of an index hold."""
    for found in _COMPRESSED.finditer(index):
        if _number(found[2]) > MOST_INFLATED_BYTES:
            raise _too_large(
                f"{whose} has a compressed index of {_number(found[2]):,} bytes",
                MOST_INFLATED_BYTES,
            )
        coded = index[found.end() : found.start() + _number(found[1])]
        try:
            inner = zlib.decompressobj().decompress(coded, MOST_INFLATED_BYTES)
        except zlib.error:
            continue  # FFmpeg cannot either.
        if _COMPRESSED.search(inner):
            raise _too_large(f"{whose} has an index that is compressed twice", 1)
        yield inner


def _check_samples(claimed: int, size: int, whose: str) -> None:
    if claimed > size:
        raise ItemFailure(
            Stage.DECODE, FailureCode.CORRUPT, f"{whose} claims to hold {claimed:,} samples"
        )


def _too_large(what: str, most: int) -> ItemFailure:
    return ItemFailure(
        Stage.DECODE,
        FailureCode.TOO_LARGE,
        f"{what}, more than the {most:,} that are read; remux it",
    )


def _number(field: bytes) -> int:
    return int.from_bytes(field, "big")
