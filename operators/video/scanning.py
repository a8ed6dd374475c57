"""Decoding without an index: read all packets' times first, then decode what is needed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from operators.video.reader import FrameSink, PacketReader
from operators.video.timeline import PacketTime, Timeline, shown_at


@dataclass(frozen=True)
class Scan:
    """The times of a stream's packets.

    Attributes:
        timeline: By pts, or by dts where the container has no pts (AVI with B-frames).
        is_ordinal: True in the latter case: frames are then told apart by their order.
    """

    timeline: Timeline
    is_ordinal: bool


def scan(reader: PacketReader) -> Scan:
    """Read the times of all packets without decoding any."""
    packets = [(p.pts, p.dts, p.is_keyframe, p.is_discard) for p in reader.packets()]
    is_ordinal = any(pts is None for pts, _, _, _ in packets)
    times = []
    for number, (pts, dts, is_keyframe, is_discard) in enumerate(packets):
        time = (number if dts is None else dts) if is_ordinal else pts
        times.append(PacketTime(time, is_keyframe, not is_discard))
    return Scan(Timeline(times), is_ordinal)


def decode_targets(
    reader: PacketReader, found: Scan, targets: Sequence[int], sink: FrameSink
) -> None:
    """Decode the frames on screen at `targets` (ticks) from a stream scanned before."""
    wanted = {shown_at(found.timeline.pts, target) for target in targets}
    for pts in wanted:
        sink.want(pts)
    reader.rewind()
    if found.is_ordinal:
        _decode_in_order(reader, found.timeline.pts, wanted, sink)
    else:
        _decode_ranges(reader, found.timeline, wanted, sink)


def _decode_ranges(
    reader: PacketReader, timeline: Timeline, wanted: set[int], sink: FrameSink
) -> None:
    ranges = iter(timeline.packets_to_feed(wanted))
    first, last = next(ranges)
    for number, packet in enumerate(reader.packets()):
        if number < first:
            continue
        sink.offer(reader.feed(packet, packet.pts in wanted))
        if number == last:
            sink.offer(reader.drain())
            first, last = next(ranges, (-1, -1))
            if last < 0:
                return


def _decode_in_order(
    reader: PacketReader, times: Sequence[int], wanted: set[int], sink: FrameSink
) -> None:
    """Decode everything; the n-th frame that comes out has the n-th time."""
    position = 0

    def take(frames: list) -> None:
        nonlocal position
        for frame in frames:
            if position < len(times) and times[position] in wanted:
                sink.keep(times[position], frame)
            position += 1

    for packet in reader.packets():
        take(reader.feed(packet, True))
        if not sink.missing:
            return
    take(reader.drain())
