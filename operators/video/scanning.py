"""Decoding without an index: read all packets' times first, then decode what is needed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from operators.video.feeding import MOST_HELD_BYTES, MOST_HELD_WANTED, feed, offer
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
        yield from offer(sink, frames)
        if not sink.missing:
            return
    yield from offer(sink, reader.drain())


def _decode_ranges(
    reader: PacketReader, timeline: Timeline, wanted: set[int], sink: FrameSink
) -> Iterator[None]:
    fed: set[int] = set()
    again: set[int] = set()
    had_lost = reader.lost_stand_in
    for packets, is_end in _held_back(reader, timeline.packets_to_feed(wanted), wanted):
        answers = [packet.pts in wanted for packet in packets]
        yield from feed(reader, packets, answers, sink, is_end=is_end)
        fed.update(packet.pts for packet in packets)
        if not is_end:
            continue
        yield from offer(sink, reader.drain())
        if reader.lost_stand_in and not had_lost:
            had_lost = True
            again |= fed & sink.missing
        elif not reader.lacked_a_start:
            sink.give_up(fed)
        fed.clear()
    if again:
        reader.rewind()
        yield from _decode_ranges(reader, timeline, again, sink)


def _held_back(
    reader: PacketReader, ranges: Sequence[tuple[int, int]], wanted: set[int]
) -> Iterator[tuple[list[Any], bool]]:
    """The packets of ranges, as many at a time as may be, and whether a range ends there."""
    left = iter(ranges)
    first, last = next(left)
    waiting: list[Any] = []
    size = answers = 0
    for number, packet in enumerate(reader.packets()):
        if number < first:
            continue
        waiting.append(packet)
        size += packet.size
        answers += packet.pts in wanted
        is_full = size > MOST_HELD_BYTES or answers > MOST_HELD_WANTED
        if number < last and not is_full and reader.looks_ahead:
            continue
        yield waiting, number == last
        waiting, size, answers = [], 0, 0
        if number < last:
            continue
        first, last = next(left, (-1, -1))
        if last < 0:
            return
    yield waiting, False


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
