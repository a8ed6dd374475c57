"""H.264: which pictures of a group need not be decoded for the sake of those wanted.

A decoder must know of every picture that others might refer to, or it orders its lists of
references otherwise. So what is not needed is not left out: of it the decoder is given the
header alone, with the slice's first macroblock behind the end of the picture. FFmpeg's then
marks the picture as held, releases those that it should, and decodes nothing of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from operators.video.bits import NotUnderstoodError
from operators.video.h264_parameters import (
    PictureSet,
    SequenceSet,
    read_picture_set,
    read_sequence_set,
)
from operators.video.h264_references import References
from operators.video.h264_slices import IDR_SLICE, Slice, read_slice
from operators.video.units import join, split

_SLICES = frozenset({1, IDR_SLICE})
_SEQUENCE_SET, _PICTURE_SET = 7, 8
_PASSED_OVER = frozenset({6, 9, 12})
"""Supplemental information, delimiters and filling (7.4.1): nothing refers by them."""

_BEYOND = b"\0\0\xff\xff"
"""Before the one bit by which ``first_mb_in_slice`` is 0, these make it 131,070."""

_MOST_MACROBLOCKS = 131_070
_MOST_SLICES = 128
_ROOM = 8
"""Bytes of a slice that are left behind its header, lest a reader looks ahead."""

_REORDERED = 32
"""Twice as many pictures as may be shown before one that is decoded before them."""


class Lookahead:
    """Reads the packets of a group of pictures before they are decoded.

    Args:
        headers: What the container holds of the stream's (``extradata``).
        lengths: As of `operators.video.units.split`.

    Raises:
        NotUnderstoodError: If the stream has parameters that are not understood.
    """

    def __init__(self, headers: bytes | None, lengths: int) -> None:
        self._lengths = lengths
        self._sequences: dict[int, SequenceSet] = {}
        self._pictures: dict[int, PictureSet] = {}
        self._known: set[bytes] = set()
        for unit in _parameter_sets(headers or b"", lengths):
            self._learn(bytes(unit))
        self.begin()

    def _learn(self, unit: bytes) -> None:
        if unit[0] & 31 == _SEQUENCE_SET:
            number, sequence = read_sequence_set(unit)
            is_new = self._sequences.setdefault(number, sequence) is sequence
        elif unit[0] & 31 == _PICTURE_SET:
            number, picture = read_picture_set(unit)
            is_new = self._pictures.setdefault(number, picture) is picture
        else:
            return
        if not is_new and unit not in self._known:
            raise NotUnderstoodError("two parameter sets of the same number")
        self._known.add(unit)

    def knows_parameters(self, packet: Any) -> bool:
        """Whether a packet brings no parameters but known ones; False in doubt.

        A decoder keeps those that it is given from one group to the next.
        """
        if packet.has_sidedata("new_extradata"):
            return False
        try:
            units = split(bytes(packet), self._lengths)
        except NotUnderstoodError:
            return False
        return all(
            bytes(unit) in self._known
            for unit in units
            if unit[0] & 31 in (_SEQUENCE_SET, _PICTURE_SET)
        )

    def begin(self) -> None:
        """The packets that follow are those of another group, of which none was read."""
        self._references = References()
        self._count = 0
        self._sequence_starts = 0
        self._shown: list[tuple[int, int, int]] = []

    def stand_ins(
        self, packets: Sequence[Any], wanted: Sequence[bool], *, is_end: bool
    ) -> list[bytes | None]:
        """What to give the decoder in place of packets whose pictures are not needed.

        Args:
            packets: Those (``av.Packet``) that follow the ones of the last call.
            wanted: Of each, whether its picture is, or may be.
            is_end: Whether nothing wanted comes after them.

        Returns:
            None for packets that must be decoded, or that nothing refers to.

        Raises:
            NotUnderstoodError: If that cannot be told, from here on to the group's end.
        """
        first = self._count
        refers_to: dict[int, frozenset[int]] = {}
        lengths: dict[int, int] = {}
        for packet, is_wanted in zip(packets, wanted, strict=True):
            slices = self._slices(packet, is_wanted)
            if slices:
                refers_to[self._count] = self._refers_to(packet, slices)
                lengths[self._count] = slices[0].bits // 8 + _ROOM
            self._count += 1
        self._check_order()
        needed = {0} | {first + n for n, is_wanted in enumerate(wanted) if is_wanted}
        if not is_end:
            needed |= {held.number for held in self._references.held.values()}
        for number in sorted(refers_to, reverse=True):
            if number in needed:
                needed |= refers_to[number]
        return [
            None
            if number not in lengths or number in needed
            else self._stand_in(packet, lengths[number])
            for number, packet in enumerate(packets, first)
        ]

    def _slices(self, packet: Any, is_wanted: bool) -> list[Slice]:
        """The slices of a picture that may be referred to, or is wanted."""
        if packet.is_corrupt or packet.has_sidedata("new_extradata"):
            raise NotUnderstoodError("a damaged packet, or other parameters")
        units = split(bytes(packet), self._lengths)
        slices = [unit for unit in units if unit[0] & 31 in _SLICES]
        if not 0 < len(slices) <= _MOST_SLICES:
            raise NotUnderstoodError(f"a packet of {len(slices)} slices")
        if not is_wanted and not any(unit[0] & 0x60 for unit in slices):
            return []
        for unit in units:
            kind = unit[0] & 31
            if kind in (_SEQUENCE_SET, _PICTURE_SET):
                if bytes(unit) not in self._known:
                    raise NotUnderstoodError("parameters change")
            elif kind not in _SLICES and kind not in _PASSED_OVER:
                raise NotUnderstoodError(f"NAL units of type {kind}")
        return [read_slice(unit, self._sequences, self._pictures) for unit in slices]

    def _refers_to(self, packet: Any, slices: list[Slice]) -> frozenset[int]:
        first = slices[0]
        if packet.pts is None:
            raise NotUnderstoodError("nobody says when a picture is shown")
        if first.first_macroblock:
            raise NotUnderstoodError("slices out of order")
        if first.picture.sequence.macroblocks > _MOST_MACROBLOCKS:
            raise NotUnderstoodError("too large a picture")
        order, refers_to = self._references.see(self._count, slices)
        self._sequence_starts += first.picture.is_idr
        self._shown.append((self._sequence_starts, order, packet.pts))
        return refers_to

    def _check_order(self) -> None:
        """Headers and container must tell the same, lest something was misread."""
        self._shown.sort()
        if any(before[2] >= after[2] for before, after in pairwise(self._shown)):
            raise NotUnderstoodError("the container has another order of pictures")
        del self._shown[:-_REORDERED]

    def _stand_in(self, packet: Any, length: int) -> bytes:
        units = []
        for unit in split(bytes(packet), self._lengths):
            if unit[0] & 31 not in _SLICES:
                units.append(bytes(unit))
            elif length:
                # A third byte in a row of three may be one that keeps start codes away.
                rest = bytes(unit[1 : 1 + length * 3 // 2])
                units.append(bytes(unit[:1]) + _BEYOND + rest + b"\x80")
                length = 0
        return join(units, self._lengths)


def _parameter_sets(headers: bytes, lengths: int) -> list[memoryview]:
    """Of a container's headers: an ``avcC`` box (ISO/IEC 14496-15), or units."""
    if not lengths:
        return split(headers, 0)
    units, place = [], 5
    for mask in (0x1F, 0xFF):
        count = headers[place] & mask if place < len(headers) else 0
        place += 1
        for _ in range(count):
            end = place + 2 + int.from_bytes(headers[place : place + 2], "big")
            if not place + 2 < end <= len(headers):
                raise NotUnderstoodError("headers that are cut off")
            units.append(memoryview(headers)[place + 2 : end])
            place = end
    return units
