"""Decoding without an index: read all packets' times first, then decode what is needed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from operators.video.reader import PacketReader
from operators.video.sink import FrameSink
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
) -> Iterator[None]:
    """Decode the frames on screen at `targets` (ticks) from a stream scanned before.

    Pauses whenever the sink has a window to be taken.
    """
    wanted = {shown_at(found.timeline.pts, target) for target in targets}
    for pts in wanted:
        sink.want(pts)
    reader.rewind()
    if found.is_ordinal:
        yield from _decode_in_order(reader, found.timeline.pts, sink)
    else:
        yield from _decode_ranges(reader, found.timeline, wanted, sink)


def decode_all(reader: PacketReader, sink: FrameSink) -> Iterator[None]:
    """Decode the frames that a sink misses from the very start of the stream on."""
    reader.rewind()
    for packet in reader.packets():
        frames = reader.feed(packet, packet.pts in sink.missing)
        if frames:
            # They come in the order in which they are shown.
            sink.give_up({pts for pts in sink.missing if pts < frames[0].pts})
        yield from _offer(sink, frames)
        if not sink.missing:
            return
    yield from _offer(sink, reader.drain())


def _decode_ranges(
    reader: PacketReader, timeline: Timeline, wanted: set[int], sink: FrameSink
) -> Iterator[None]:
    ranges = iter(timeline.packets_to_feed(wanted))
    first, last = next(ranges)
    fed: set[int] = set()
    for number, packet in enumerate(reader.packets()):
        if number < first:
            continue
        fed.add(packet.pts)
        yield from _offer(sink, reader.feed(packet, packet.pts in wanted))
        if number < last:
            continue
        yield from _offer(sink, reader.drain())
        if not reader.lacked_a_start:
            sink.give_up(fed)
        fed.clear()
        first, last = next(ranges, (-1, -1))
        if last < 0:
            return


def _offer(sink: FrameSink, frames: Iterable[Any]) -> Iterator[None]:
    for frame in frames:
        sink.offer([frame])
        if sink.has_window:
            yield


def _decode_in_order(
    reader: PacketReader, times: Sequence[int], sink: FrameSink
) -> Iterator[None]:
    """Decode everything; the n-th frame that comes out has the n-th time."""
    for time, frame in zip(times, _all_frames(reader), strict=False):
        if time not in sink.missing:
            continue
        sink.keep(time, frame)
        if sink.has_window:
            yield
        if not sink.missing:
            return


def _all_frames(reader: PacketReader) -> Iterator[Any]:
    for packet in reader.packets():
        yield from reader.feed(packet, True)
    yield from reader.drain()
