"""Sets of offsets, as spans. Pure."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable


class Spans:
    """A set of offsets, as spans that neither touch nor overlap. Not thread-safe."""

    def __init__(self) -> None:
        self._starts: list[int] = []
        self._ends: list[int] = []

    def add(self, start: int, end: int) -> None:
        """Put the offsets from `start` up to `end` in; some may be there already."""
        first = bisect_right(self._ends, start - 1)
        last = bisect_right(self._starts, end)
        if first < last:
            start = min(start, self._starts[first])
            end = max(end, self._ends[last - 1])
        self._starts[first:last] = [start]
        self._ends[first:last] = [end]

    def end_at(self, offset: int) -> int:
        """Where the span ends that `offset` is in; `offset` itself if it is in none."""
        at = bisect_right(self._starts, offset) - 1
        return max(offset, self._ends[at]) if at >= 0 else offset

    def gaps(self, start: int, end: int) -> list[tuple[int, int]]:
        """What of the offsets from `start` up to `end` is not in."""
        found = []
        while start < end:
            there = self.end_at(start)
            if there > start:
                start = there
                continue
            at = bisect_right(self._starts, start)
            gap_end = min(end, self._starts[at]) if at < len(self._starts) else end
            found.append((start, gap_end))
            start = gap_end
        return found


def merged(ranges: Iterable[tuple[int, int]], gap: int) -> list[tuple[int, int]]:
    """Ranges (start, end) joined where at most `gap` bytes lie between, ascending."""
    joined: list[tuple[int, int]] = []
    for start, end in sorted(ranges):
        if joined and start <= joined[-1][1] + gap:
            joined[-1] = (joined[-1][0], max(end, joined[-1][1]))
        elif end > start:
            joined.append((start, end))
    return joined
