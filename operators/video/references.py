"""Which coded pictures no other one refers to, so that they can be passed over."""

from __future__ import annotations

from collections.abc import Iterator

_LENGTH_AT = {"h264": 4, "hevc": 21}
"""Where the headers of MP4 and Matroska say how long the length before each unit is."""


def length_bytes(codec: str, headers: bytes | None) -> int:
    """Bytes of the length before each unit of a stream; 0 if start codes are between them.

    Args:
        codec: h264 or hevc.
        headers: What the container holds of the codec's (``extradata``).
    """
    at = _LENGTH_AT[codec]
    if not headers or len(headers) <= at or headers[0] != 1:
        return 0
    return (headers[at] & 3) + 1


def is_referred_to(packet: memoryview, codec: str, lengths: int) -> bool:
    """Whether another picture may refer to a packet's; True in doubt.

    Args:
        packet: The coded picture.
        codec: h264 or hevc.
        lengths: As of `length_bytes`.
    """
    for header in _unit_headers(packet, lengths):
        if codec == "h264" and 1 <= header & 31 <= 5:
            return header & 0x60 != 0
        kind = header >> 1 & 63
        if codec == "hevc" and kind < 32:
            return kind % 2 == 1 or kind >= 16
    return True


def _unit_headers(packet: memoryview, lengths: int) -> Iterator[int]:
    """The first byte of each unit of a packet."""
    place = 0
    if lengths:
        while place + lengths < len(packet):
            yield packet[place + lengths]
            place += lengths + int.from_bytes(packet[place : place + lengths], "big")
        return
    data = bytes(packet)
    while 0 <= (place := data.find(b"\x00\x00\x01", place)) < len(data) - 3:
        place += 3
        yield data[place]
