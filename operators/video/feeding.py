"""Giving packets to a decoder, and what comes out of it to a sink."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from operators.video.reader import PacketReader
from operators.video.sink import FrameSink

MOST_HELD_BYTES = 16 << 20
"""Packets are held back, so that what is not needed can be told, up to so many bytes."""

MOST_HELD_WANTED = 16
"""And up to so many that are wanted: among many there is little that is not needed."""


def feed(
    reader: PacketReader,
    packets: Sequence[Any],
    wanted: Sequence[bool],
    sink: FrameSink,
    *,
    is_end: bool,
) -> Iterator[None]:
    """Decode those of some packets that are needed. Pauses when the sink has a window.

    Args:
        reader: The video.
        packets: Those that follow the ones fed before.
        wanted: Whether the frame of each is.
        sink: Where frames go.
        is_end: Whether no more are wanted until the decoder is drained.
    """
    stand_ins = reader.stand_ins(packets, wanted, is_end)
    for packet, is_wanted, stand_in in zip(packets, wanted, stand_ins, strict=True):
        yield from offer(sink, reader.feed(packet, is_wanted, stand_in))


def offer(sink: FrameSink, frames: Iterable[Any]) -> Iterator[None]:
    """Give frames to a sink. Pauses when it has a window."""
    for frame in frames:
        sink.offer([frame])
        if sink.has_window:
            yield
