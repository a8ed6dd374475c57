"""Videos damaged on purpose, and what can still be decoded of them."""

from __future__ import annotations

import io
import struct
from dataclasses import dataclass

import av

from tests.media.boxes import SAMPLES, with_box


@dataclass(frozen=True)
class Place:
    """Where a frame's packet lies.

    Attributes:
        number: The frame's, in the order in which they are shown.
        start: Offset of its first byte.
        size: Its bytes.
        is_keyframe: Whether it is coded by itself.
    """

    number: int
    start: int
    size: int
    is_keyframe: bool


def places(data: bytes, demuxer: str | None = None) -> list[Place]:
    """The packets of a video, in the order of decoding; of one frame each."""
    with av.open(io.BytesIO(data), format=demuxer) as container:
        packets = [p for p in container.demux(video=0) if p.size]
    shown = sorted(p.pts for p in packets)
    return [Place(shown.index(p.pts), p.pos, p.size, p.is_keyframe) for p in packets]


def hurt(data: bytes, place: Place) -> bytes:
    """The video with all but the first bytes of a packet set to nought."""
    damaged = bytearray(data)
    damaged[place.start + 5 : place.start + place.size] = bytes(place.size - 5)
    return bytes(damaged)


def broken_by(found: list[Place], place: Place) -> set[int]:
    """The numbers of the frames that cannot be right if a packet is damaged.

    Those up to the next keyframe in the order of decoding, and what is shown before that.
    """
    at = found.index(place)
    later = [one for one in found[at + 1 :] if one.is_keyframe]
    end = found.index(later[0]) if later else len(found)
    leading = {one.number for one in found[end:] if one.number < found[end].number}
    return {one.number for one in found[at:end]} | leading


def cut(data: bytes, part: float, demuxer: str | None = None) -> bytes:
    """The beginning of a video, with some part of its pictures."""
    found = places(data, demuxer)
    first, end = found[0].start, found[-1].start + found[-1].size
    return data[: first + int((end - first) * part)]


def index_first(data: bytes) -> bytes:
    """An MP4 with its index before its pictures, as for the web."""
    at = data.index(b"moov") - 4
    size = int.from_bytes(data[at : at + 4], "big")
    pictures = data.index(b"mdat") - 4

    def moved(body: bytes) -> bytes:
        count = int.from_bytes(body[4:8], "big")
        offsets = struct.unpack(f">{count}I", body[8:])
        return body[:8] + struct.pack(f">{count}I", *(offset + size for offset in offsets))

    index = with_box(data[at : at + size], (*SAMPLES, b"stco"), moved)
    return data[:pictures] + index + data[pictures:at]
