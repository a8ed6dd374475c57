"""Index arithmetic: which packets carry the frames of which moments. Pure integers.

All times are pts or dts in ticks of the stream's time base. A decoder gets packets in
decode order; their pts jump back and forth there, but the pts of all packets yet to come
are never below the dts of the last one seen. That bound is what both halves rest on.
"""

from __future__ import annotations

import bisect
from collections.abc import Iterable, Sequence
from dataclasses import dataclass


def shown_at(pts: Sequence[int], target: int) -> int:
    """The pts of the frame on screen at `target`; `pts` ascends and is not empty."""
    return pts[max(0, bisect.bisect_right(pts, target) - 1)]


def group_by_gop(key_pts: Sequence[int], targets: Iterable[int]) -> dict[int, list[int]]:
    """Targets by the number of the keyframe that opens their group of pictures.

    Targets before the first keyframe go to the first.
    """
    groups: dict[int, list[int]] = {}
    for target in sorted(targets):
        number = max(0, bisect.bisect_right(key_pts, target) - 1)
        groups.setdefault(number, []).append(target)
    return groups


def snapped_to(
    key_pts: Sequence[int], targets: Iterable[int], within: int | None
) -> list[int | None]:
    """For each target the number of the nearest keyframe, if that is near enough.

    Args:
        key_pts: When keyframes are shown, ascending.
        targets: Moments.
        within: How far a keyframe may be; None: none is near enough.
    """
    return [_nearest(key_pts, target, within) for target in targets]


def _nearest(key_pts: Sequence[int], target: int, within: int | None) -> int | None:
    if within is None or not key_pts:
        return None
    later = bisect.bisect_left(key_pts, target)
    beside = [number for number in (later - 1, later) if 0 <= number < len(key_pts)]
    nearest = min(beside, key=lambda number: abs(key_pts[number] - target))
    return nearest if abs(key_pts[nearest] - target) <= within else None


@dataclass(frozen=True)
class KeyframeIndex:
    """The keyframes of a stream, ascending, in ticks.

    Attributes:
        ticks: What the container's index says: the dts in MP4, the pts in Matroska.
        pts: When each is shown, as far as the index tells; the packets have the truth.
        shown: The numbers of those that no edit list cuts off.
    """

    ticks: Sequence[int]
    pts: Sequence[int]
    shown: Sequence[int]

    def near(self, number: int) -> list[int]:
        """Where to seek, in turn, until that leads to keyframe `number`.

        Seeking goes by pts, which the index knows only roughly: its own guess, halfway to
        the next keyframe's, and the next one's.
        """
        here = self.pts[number]
        following = self.pts[number + 1] if number + 1 < len(self.pts) else None
        if following is None:
            gap = here - self.pts[number - 1] if number else 0
            following = here + max(gap, 1)
        return [here, (here + following) // 2, following]


class Picker:
    """Decides, as packets stream by in decode order, which of them are wanted.

    A packet is wanted if its frame is on screen at one of the targets. That is decided
    as soon as the next later pts is certain, a few packets on.
    """

    def __init__(self, targets: Sequence[int]) -> None:
        """Args: targets: Ascending ticks, none before the first frame."""
        self._targets = targets
        self._seen: list[int] = []
        self._latest_dts: int | None = None
        self.ended = False

    def see(self, pts: int, dts: int | None) -> None:
        """Take note of the next packet in decode order."""
        bisect.insort(self._seen, pts)
        if dts is not None:
            self._latest_dts = dts
            if dts > self._targets[-1]:
                self.ended = True

    @property
    def passed(self) -> int:
        """How many targets have been passed by."""
        latest = self._latest_dts
        return 0 if latest is None else bisect.bisect_right(self._targets, latest)

    def is_wanted(self, pts: int) -> bool | None:
        """Whether a packet seen before is wanted; None while that is open."""
        first = bisect.bisect_left(self._targets, pts)
        if first == len(self._targets):
            return False
        later = bisect.bisect_right(self._seen, pts)
        following = self._seen[later] if later < len(self._seen) else None
        if following is not None and self._targets[first] >= following:
            return False  # Something later is on screen at every target left.
        if self.ended:
            return True
        certain = following is not None and (
            self._latest_dts is not None and self._latest_dts >= following
        )
        return True if certain else None


@dataclass(frozen=True)
class PacketTime:
    """When a packet's frame is shown.

    Attributes:
        pts: In ticks.
        is_keyframe: Whether decoding can begin at it.
        is_shown: False if an edit list cuts the frame off.
    """

    pts: int
    is_keyframe: bool
    is_shown: bool = True


class Timeline:
    """All packets of a stream in decode order, as a scan of the container gave them."""

    def __init__(self, packets: Sequence[PacketTime]) -> None:
        """Leave out what cannot be decoded: what stands or leads before the first keyframe."""
        self._packets = packets
        first = next((i for i, packet in enumerate(packets) if packet.is_keyframe), 0)
        floor = packets[first].pts if packets and packets[first].is_keyframe else None
        self._position = {
            packet.pts: number
            for number, packet in enumerate(packets)
            if number >= first and packet.is_shown and (floor is None or packet.pts >= floor)
        }
        self.pts = sorted(self._position)
        self.key_pts = [pts for pts in self.pts if packets[self._position[pts]].is_keyframe]

    def packets_to_feed(self, wanted: Iterable[int]) -> list[tuple[int, int]]:
        """Ranges of packet numbers (first, last) to decode in order to get the wanted pts.

        Each begins at a keyframe that is shown no later than the wanted frame, so that
        frames which lead an open group of pictures have the group before them, too.
        """
        ranges: list[tuple[int, int]] = []
        for position in sorted(self._position[pts] for pts in wanted):
            start = self._start_for(position)
            while ranges and start <= ranges[-1][1]:
                start = min(start, ranges.pop()[0])
            ranges.append((start, position))
        return ranges

    def _start_for(self, position: int) -> int:
        pts = self._packets[position].pts
        for number in range(position, -1, -1):
            packet = self._packets[number]
            if packet.is_keyframe and packet.pts <= pts:
                return number
        return 0
