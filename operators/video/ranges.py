"""Which bytes of a container hold which frames."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import BinaryIO

from operators.signatures import HEAD_BYTES, sniff
from operators.storage.ranged import RangedFile
from operators.video.boxes import Span, index_spans
from schemas.media import MediaKind

_WITH_CUES = ("matroska", "webm")
"""Containers whose index FFmpeg reads when it first needs it, at once."""

PACKETS_MORE = 2
"""Read past a wanted packet, until it is certain that nothing else is on screen then."""

KEYFRAME_BYTES = 1 << 17
"""Guessed for a keyframe where the index does not say."""

_SLACK = 1.1
"""Of a part of a group of pictures whose bytes are guessed from its time."""


@dataclass(frozen=True)
class ByteIndex:
    """Where packets lie, in the order in which they are decoded.

    Attributes:
        ticks: The dts of each; of each keyframe only, where the index has no others.
        spans: Their bytes. Without the others a keyframe's reach up to the next one.
        keys: Their numbers that are keyframes.
    """

    ticks: Sequence[int]
    spans: Sequence[Span]
    keys: Sequence[int]

    @property
    def has_every_packet(self) -> bool:
        """Whether there is more than keyframes."""
        return len(self.keys) < len(self.ticks)


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
    begun = index.ticks[number]
    if number + 1 == len(index.ticks) or target >= index.ticks[number + 1]:
        return start, end
    share = (target - begun) / (index.ticks[number + 1] - begun) * _SLACK
    return start, min(end, start + KEYFRAME_BYTES + round((end - start) * share))


def spans_of_keyframes(index: ByteIndex, numbers: Sequence[int]) -> list[Span]:
    """The bytes of keyframes, by their numbers among the keyframes."""
    spans = [index.spans[index.keys[number]] for number in numbers]
    if index.has_every_packet:
        return spans
    return [(start, min(end, start + KEYFRAME_BYTES)) for start, end in spans]


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
    found = sniff(file.read(HEAD_BYTES))
    if found is not None and found.kind is MediaKind.VIDEO and found.name not in _WITH_CUES:
        is_iso = found.name in ("mp4", "mov")
        spans = index_spans(file, file.size) if is_iso else None
        file.expect([(0, file.size)] if spans is None else spans)
    file.seek(0)
