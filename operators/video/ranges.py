"""Which bytes of a container hold which frames."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import BinaryIO

from operators.signatures import HEAD_BYTES, sniff
from operators.storage.ranged import RangedFile
from operators.video.boxes import Span
from operators.video.iso_index import index_spans
from schemas.media import MediaKind

_WITH_CUES = ("matroska", "webm")
_CUES, _CLUSTER = b"\x1c\x53\xbb\x6b", b"\x1f\x43\xb6\x75"
_CUES_BYTES = 1 << 16
"""Matroska says within its first bytes, before any frame, where its cues lie."""

PACKETS_MORE = 1
"""Read past a wanted packet: it is decoded later than the moment, so that none is missing."""

KEYFRAME_BYTES = 1 << 17
"""At least so many are guessed for a keyframe where the index does not say."""

KEYFRAME_S = 0.45
"""Of a film weighs as much as one of its keyframes, about."""

REORDER_S = 0.1
"""Just before a keyframe it is certain what is on screen once the keyframe was read."""

INDEX_SHARE = 0.5
"""Of the time that fetching the whole file takes, for its index at most."""

_SLACK, _MORE_S = 1.05, 0.25
"""Of a part of a group of pictures whose bytes are guessed from its time."""


@dataclass(frozen=True)
class ByteIndex:
    """Where packets lie, in the order in which they are decoded.

    Attributes:
        ticks: The dts of each; of each keyframe only, where the index has no others.
        spans: Their bytes. Without the others a keyframe's reach up to the next one.
        keys: Their numbers that are keyframes.
        tick_s: Seconds of one tick.
    """

    ticks: Sequence[int]
    spans: Sequence[Span]
    keys: Sequence[int]
    tick_s: float

    @property
    def has_every_packet(self) -> bool:
        """Whether there is more than keyframes."""
        return len(self.keys) < len(self.ticks)

    @cached_property
    def keyframe_bytes(self) -> int:
        """Guessed for a keyframe of which only the beginning is known."""
        seconds = (self.ticks[-1] - self.ticks[0]) * self.tick_s
        if seconds <= 0:
            return KEYFRAME_BYTES
        bytes_per_s = (self.spans[-1][0] - self.spans[0][0]) / seconds
        return max(KEYFRAME_BYTES, round(KEYFRAME_S * bytes_per_s))


def byte_index(
    entries: Sequence[tuple[int, bool, int, int]], size: int, tick_s: float
) -> ByteIndex:
    """From what a container's index says of each packet, or of keyframes.

    Args:
        entries: Tick, whether it is a keyframe, offset and length in bytes; 0 if unknown.
        size: Of the file, bytes.
        tick_s: Seconds of one tick.
    """
    keys: list[int] = []
    for number, (tick, is_keyframe, *_) in enumerate(entries):
        if is_keyframe and (not keys or tick > entries[keys[-1]][0]):
            keys.append(number)
    starts = [start for *_, start, _ in entries]
    if all(length for *_, length in entries):
        spans = [(start, start + length) for *_, start, length in entries]
    else:
        spans = up_to_the_next(starts, size)
    return ByteIndex([tick for tick, *_ in entries], spans, keys, tick_s)


def spans_of_groups(index: ByteIndex, groups: Mapping[int, Sequence[int]]) -> list[Span]:
    """The bytes to read so that targets are decoded.

    Args:
        index: Of the stream.
        groups: Targets in ticks, ascending, by the number of the keyframe to decode from.
    """
    spans: list[Span] = []
    for number, targets in groups.items():
        first = index.keys[number]
        if index.has_every_packet:
            last = bisect_right(index.ticks, targets[-1]) + PACKETS_MORE
            spans += index.spans[first:last]
        else:
            spans.append(_part_of_group(index, number, targets[-1]))
    return spans


def _part_of_group(index: ByteIndex, number: int, target: int) -> Span:
    start, end = index.spans[number]
    if number + 1 == len(index.ticks):
        return start, end
    begun, following = index.ticks[number : number + 2]
    if target + REORDER_S / index.tick_s >= following:
        return start, min(index.spans[number + 1][1], end + index.keyframe_bytes)
    keyframe = min(index.keyframe_bytes, end - start)
    ticks = (target - begun) * _SLACK + _MORE_S / index.tick_s
    share = min(1.0, ticks / (following - begun))
    return start, start + keyframe + round((end - start - keyframe) * share)


def spans_of_keyframes(index: ByteIndex, numbers: Sequence[int]) -> list[Span]:
    """The bytes of keyframes, by their numbers among the keyframes."""
    spans = [index.spans[index.keys[number]] for number in numbers]
    if index.has_every_packet:
        return spans
    return [(start, min(end, start + index.keyframe_bytes)) for start, end in spans]


def up_to_the_next(starts: Sequence[int], end: int) -> list[Span]:
    """Spans of what begins at these offsets; several may begin at one.

    Args:
        starts: Ascending.
        end: Of the last.
    """
    distinct = [*sorted(set(starts)), end]
    ends = dict(pairwise(distinct))
    return [(start, max(start, ends[start])) for start in starts]


def fetch_index(file: BinaryIO) -> None:
    """Have a remote file fetch what is read of it first, while something else is done.

    That is its index. What has none is read from its start to its end, and is fetched whole.
    """
    if not isinstance(file, RangedFile):
        return
    head = file.read(_CUES_BYTES)
    found = sniff(head[:HEAD_BYTES])
    if found is not None and found.kind is MediaKind.VIDEO:
        spans = _first_read(file, found.name, head)
        # Frames are fetched on top of the index.
        file.expect([(0, file.size)] if spans is None else spans, at_most=INDEX_SHARE)
    file.seek(0)


def _first_read(file: RangedFile, container: str, head: bytes) -> list[Span] | None:
    """What of a file is read first; None if all of it is."""
    if container in ("mp4", "mov"):
        return index_spans(file, file.size)
    if container in _WITH_CUES:
        # FFmpeg reads its index when it first needs it, at once.
        return [] if _CUES in head[: head.find(_CLUSTER)] else None
    return None
