"""The NAL units of a packet."""

from __future__ import annotations

from operators.video.bits import NotUnderstoodError

START = b"\0\0\1"


def split(packet: bytes, lengths: int) -> list[memoryview]:
    """The units of a packet, without what is between them.

    Args:
        packet: A coded picture with all that belongs to it.
        lengths: Bytes of the length before each unit; 0 if start codes are between them
            (ITU-T H.264, annex B).

    Raises:
        NotUnderstoodError: If they do not fill the packet, or one is empty.
    """
    view = memoryview(packet)
    return _by_lengths(view, lengths) if lengths else _by_start_codes(packet, view)


def _by_lengths(view: memoryview, lengths: int) -> list[memoryview]:
    units, place = [], 0
    while place < len(view):
        start = place + lengths
        place = start + int.from_bytes(view[place:start], "big")
        if not start < place <= len(view):
            raise NotUnderstoodError("units that do not fill their packet")
        units.append(view[start:place])
    return units


def _by_start_codes(packet: bytes, view: memoryview) -> list[memoryview]:
    start = packet.find(START)
    if start < 0 or any(packet[:start]):
        raise NotUnderstoodError("a packet that does not begin with a start code")
    units = []
    while start >= 0:
        start += len(START)
        following = packet.find(START, start)
        end = len(packet) if following < 0 else following
        while end > start and not packet[end - 1]:
            end -= 1  # Zeros before a start code are no part of a unit.
        if end == start:
            raise NotUnderstoodError("an empty unit")
        units.append(view[start:end])
        start = following
    return units


def join(units: list[bytes], lengths: int) -> bytes:
    """A packet of these units; `split` undoes it.

    Raises:
        NotUnderstoodError: If a unit is too long for its length to be written.
    """
    if not lengths:
        return b"".join(b"\0" + START + unit for unit in units)
    if any(len(unit) >= 1 << 8 * lengths for unit in units):
        raise NotUnderstoodError("a unit that is too long")
    return b"".join(len(unit).to_bytes(lengths, "big") + unit for unit in units)
