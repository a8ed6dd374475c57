"""Decoding by the container's index: only the groups of pictures that are needed.

The functions here are generators: they pause whenever the sink has a window to be taken.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Generator, Iterable, Iterator, Sequence
from itertools import chain
from typing import Any

from operators.video.reader import PacketReader
from operators.video.sink import FrameSink
from operators.video.timeline import KeyframeIndex, Picker, group_by_gop

Decoding = Generator[None, None, bool]

MOST_GOPS_BACK = 4
"""A frame that cannot be decoded from this many keyframes earlier is damaged."""


def decode_targets(
    reader: PacketReader, keys: KeyframeIndex, targets: Sequence[int], sink: FrameSink
) -> Decoding:
    """Decode the frames on screen at `targets` (ticks), one group of pictures at a time.

    If the group's first packet turns out to be shown after a target (an open group of
    pictures, or an index in dts), or a frame cannot be decoded from there, it starts
    again from an earlier keyframe.

    Answers whether the index led to every frame.
    """
    groups = group_by_gop(keys.pts, targets)
    reader.expect_groups(groups)
    for number, group in groups.items():
        if not (yield from _decode_by_trying(reader, keys, number, group, sink)):
            return False
    return True


def _decode_by_trying(
    reader: PacketReader,
    keys: KeyframeIndex,
    number: int,
    targets: Sequence[int],
    sink: FrameSink,
) -> Decoding:
    if (yield from _decode_group(reader, targets[0], targets, sink)):
        return True
    for earlier in range(number, max(-1, number - MOST_GOPS_BACK - 1), -1):
        start, is_first = keys.pts[earlier], earlier == 0
        if (yield from _decode_group(reader, start, targets, sink, is_first=is_first)):
            return True
    return False


def _decode_group(
    reader: PacketReader,
    start: int,
    targets: Sequence[int],
    sink: FrameSink,
    is_first: bool = False,
) -> Decoding:
    """Decode from the keyframe at `start` on; answers whether that gave all frames.

    With `is_first`, nothing comes before it, and it is what is on screen at targets
    before it.
    """
    if not reader.seek(start):
        return False
    packets = reader.packets()
    first = next(packets, None)
    if first is None or first.pts is None:
        return False
    if first.pts > targets[0]:
        if not is_first:
            return False
        targets = sorted(max(first.pts, target) for target in targets)
    picker = Picker(targets)
    waiting: deque = deque()
    for packet in chain([first], packets):
        if packet.pts is not None and not packet.is_discard:
            picker.see(packet.pts, packet.dts)
        waiting.append(packet)
        yield from _feed_decided(reader, picker, waiting, sink)
        if picker.ended and not waiting:
            break
    picker.ended = True
    yield from _feed_decided(reader, picker, waiting, sink)
    yield from _offer(sink, reader.drain())
    return not sink.missing


def _feed_decided(
    reader: PacketReader, picker: Picker, waiting: deque, sink: FrameSink
) -> Iterator[None]:
    while waiting:
        pts = waiting[0].pts
        hidden = pts is None or waiting[0].is_discard
        wanted = False if hidden else picker.is_wanted(pts)
        if wanted is None:
            return
        if wanted:
            sink.want(pts)
        yield from _offer(sink, reader.feed(waiting.popleft(), wanted))


def _offer(sink: FrameSink, frames: Iterable[Any]) -> Iterator[None]:
    for frame in frames:
        sink.offer([frame])
        if sink.has_window:
            yield


def decode_keyframes(
    reader: PacketReader, keys: KeyframeIndex, numbers: Sequence[int], sink: FrameSink
) -> Decoding:
    """Decode keyframes alone, by their numbers in the index: one packet each.

    Answers whether the index led to every one of them.
    """
    reader.expect_keyframes(numbers)
    for number in numbers:
        packet = _keyframe_packet(reader, keys, number)
        if packet is None:
            return False
        if packet.is_discard:
            continue
        sink.want(packet.pts)
        yield from _offer(sink, [*reader.feed(packet, True), *reader.drain()])
    return not sink.missing


def _keyframe_packet(reader: PacketReader, keys: KeyframeIndex, number: int) -> Any:
    for tick in keys.near(number):
        packet = next(reader.packets(), None) if reader.seek(tick) else None
        if packet is None or packet.pts is None:
            continue
        if keys.ticks[number] in (packet.dts, packet.pts):
            return packet
    return None
