"""Decoding by the container's index: only the groups of pictures that are needed.

The functions here are generators: they pause whenever the sink has a window to be taken.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain, groupby
from typing import Any

from operators.video.feeding import MOST_HELD_BYTES, MOST_HELD_WANTED, feed, offer
from operators.video.reader import PacketReader
from operators.video.sink import FrameSink
from operators.video.timeline import KeyframeIndex, Picker, group_by_gop, snapped_to

Decoding = Generator[None, None, bool]


@dataclass(frozen=True)
class Near:
    """A keyframe, by its number, that is taken for a moment nearby."""

    number: int
    target: int


Step = Near | tuple[int, list[int]]
"""A keyframe alone; or the number of one, and the moments to decode from it on."""

MOST_GOPS_BACK = 4
"""A frame that cannot be decoded from this many keyframes earlier is damaged."""


def decode_targets(
    reader: PacketReader,
    keys: KeyframeIndex,
    targets: Sequence[int],
    within: int | None,
    sink: FrameSink,
    *,
    is_strict: bool = True,
) -> Decoding:
    """Decode the frames on screen at moments, or keyframes nearby.

    Args:
        reader: The video.
        keys: Its index.
        targets: The moments, ascending ticks.
        within: A keyframe that is no farther from a moment, in ticks, is taken instead; None
            for exact frames.
        sink: Where frames go.
        is_strict: Whether a keyframe that turns out to be farther is not taken; it is where
            the moment is that of the keyframe itself, as the index knows it.

    Answers whether the index led to every frame.
    """
    steps = _steps(keys, targets, within)
    _expect(reader, steps)
    if within is not None and is_strict:
        steps = _steps(_calibrated(reader, keys, steps), targets, within)
        _expect(reader, steps)
    for step in steps:
        if isinstance(step, Near):
            is_there = yield from _decode_near(
                reader, keys, step, within if is_strict else None, sink
            )
        else:
            is_there = yield from _decode_by_trying(reader, keys, *step, sink)
        if not is_there:
            return False
    return True


def _calibrated(
    reader: PacketReader, keys: KeyframeIndex, steps: Sequence[Step]
) -> KeyframeIndex:
    """An index that knows better when keyframes are shown, from one that will be read anyway.

    In MP4 it holds dts. How far the pts are from them the first keyframe tells for itself only
    where groups of pictures are open: before all others, leading frames are shown.
    """
    numbers = [one.number for one in steps if isinstance(one, Near) and one.number]
    if not numbers or keys.ticks == keys.pts:
        return keys
    number = numbers[0]
    packet = _keyframe_packet(reader, keys, number)
    if packet is None:
        return keys
    shift = packet.pts - keys.pts[number]
    return replace(keys, pts=[keys.pts[0], *(pts + shift for pts in keys.pts[1:])])


def _steps(keys: KeyframeIndex, targets: Sequence[int], within: int | None) -> list[Step]:
    numbers = snapped_to([keys.pts[number] for number in keys.shown], targets, within)
    steps: list[Step] = []
    taken: set[int] = set()
    for is_near, run in groupby(
        zip(targets, numbers, strict=True), lambda one: one[1] is not None
    ):
        if not is_near:
            steps += group_by_gop(keys.pts, [target for target, _ in run]).items()
            continue
        for target, number in run:
            if number is not None and number not in taken:
                steps.append(Near(keys.shown[number], target))
                taken.add(number)
    return steps


def _expect(reader: PacketReader, steps: Sequence[Step]) -> None:
    """Have all that will be read fetched ahead, in its order."""
    for are_near, run in groupby(steps, lambda step: isinstance(step, Near)):
        if are_near:
            reader.expect_keyframes([step.number for step in run if isinstance(step, Near)])
        else:
            reader.expect_groups(dict(step for step in run if not isinstance(step, Near)))


def _decode_by_trying(
    reader: PacketReader,
    keys: KeyframeIndex,
    number: int,
    targets: Sequence[int],
    sink: FrameSink,
) -> Decoding:
    """Decode one group of pictures.

    If its first packet turns out to be shown after a target (an open group of pictures, or an
    index in dts), or a frame cannot be decoded from there, it starts again from an earlier
    keyframe.
    """
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
    held = fed_to = 0
    for packet in chain([first], packets):
        if packet.pts is not None and not packet.is_discard:
            picker.see(packet.pts, packet.dts)
        waiting.append(packet)
        held += packet.size
        if picker.ended:
            break
        is_full = held > MOST_HELD_BYTES or picker.passed - fed_to > MOST_HELD_WANTED
        if is_full or not reader.looks_ahead:
            yield from _feed_decided(reader, picker, waiting, sink)
            held, fed_to = 0, picker.passed
    picker.ended = True
    yield from _feed_decided(reader, picker, waiting, sink)
    yield from offer(sink, reader.drain())
    return not sink.missing


def _feed_decided(
    reader: PacketReader, picker: Picker, waiting: deque, sink: FrameSink
) -> Iterator[None]:
    # Behind the last packet that is wanted none is decoded: nothing wanted refers to them.
    while picker.ended and waiting and not _is_wanted(picker, waiting[-1]):
        waiting.pop()
    decided, answers = [], []
    while waiting and (wanted := _is_wanted(picker, waiting[0])) is not None:
        if wanted:
            sink.want(waiting[0].pts)
        decided.append(waiting.popleft())
        answers.append(wanted)
    yield from feed(reader, decided, answers, sink, is_end=picker.ended)


def _is_wanted(picker: Picker, packet: Any) -> bool | None:
    """Whether a packet's frame is wanted; None while that is open."""
    is_hidden = packet.pts is None or packet.is_discard
    return False if is_hidden else picker.is_wanted(packet.pts)


def _decode_near(
    reader: PacketReader, keys: KeyframeIndex, near: Near, within: int | None, sink: FrameSink
) -> Decoding:
    """Decode a keyframe alone: one packet. If it proves to be too far, what is on screen."""
    packet = _keyframe_packet(reader, keys, near.number)
    if packet is None:
        return False
    if packet.is_discard:
        return True
    if within is not None and abs(packet.pts - near.target) > within:
        [(number, targets)] = group_by_gop(keys.pts, [near.target]).items()
        return (yield from _decode_by_trying(reader, keys, number, targets, sink))
    sink.want(packet.pts, near.target)
    yield from offer(sink, [*reader.feed(packet, True), *reader.drain()])
    return not sink.missing


def _keyframe_packet(reader: PacketReader, keys: KeyframeIndex, number: int) -> Any:
    for tick in keys.near(number):
        packet = next(reader.packets(), None) if reader.seek(tick) else None
        if packet is None or packet.pts is None:
            continue
        if keys.ticks[number] in (packet.dts, packet.pts):
            return packet
    return None
