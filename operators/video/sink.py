"""Where decoded frames go: kept if they are wanted, and given out in windows."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import pairwise
from typing import Any

import numpy as np

from operators.video.pixels import FrameBuffer, Shapes, orientation_of
from operators.video.sampling import spread
from operators.video.windows import block_means, change, window_size


@dataclass(frozen=True)
class Window:
    """Frames of a video that follow one another.

    Attributes:
        pts: When each is shown, ascending, ticks.
        pixels: One after another, without a gap.
        shapes: (height, width) of each.
        until: The pts of the first frame after them; None if they are the last.
    """

    pts: tuple[int, ...]
    pixels: bytearray
    shapes: Shapes
    until: int | None


class FrameSink:
    """Keeps the frames that are wanted, forgets the others, and cuts windows off.

    Frames come nearly in the order in which they are shown: a window is cut only off frames
    that nothing missing comes before.

    Args:
        most: Frames of a window.
        expected: Frames that will come in all.
        max_pixels: Most pixels of each frame.
        aspect: Width over height of one stored pixel.
        fields_apart: See `operators.video.reader.PacketReader`.

    Attributes:
        missing: The pts wanted but not decoded so far.
        lost: Those that never will be.
        kept: How many frames were kept so far, those given out included.
        given_to: The pts of the last frame given out; None before that.
        instead_of: By the pts of frames that are not on screen at the moments for which they
            are taken, those moments.
    """

    def __init__(
        self,
        most: int,
        expected: int,
        max_pixels: int,
        aspect: Fraction | None,
        *,
        fields_apart: bool = False,
    ) -> None:
        self._most = most
        self._is_long = expected > most
        self._buffer = FrameBuffer(min(expected, most + 1), max_pixels, fields_apart)
        self._aspect = aspect
        self._pts: list[int] = []
        self._means: dict[int, np.ndarray] = {}
        self.missing: set[int] = set()
        self.lost: set[int] = set()
        self.kept = 0
        self.given_to: int | None = None
        self.instead_of: dict[int, int] = {}

    @property
    def given(self) -> int:
        """How many frames were given out so far."""
        return self.kept - len(self._pts)

    @property
    def source_size(self) -> tuple[int, int]:
        """(width, height) of the video as shown; zeros before the first frame."""
        return self._buffer.source_size or (0, 0)

    def want(self, pts: int, instead_of: int | None = None) -> None:
        """Keep the frame of this pts when it comes, unless it is kept already.

        Args:
            pts: Of the frame.
            instead_of: The moment for which it is taken though it is not on screen then.
        """
        if instead_of is not None:
            self.instead_of.setdefault(pts, instead_of)
        was_given = self.given_to is not None and pts <= self.given_to
        if not was_given and pts not in self._pts:
            self.missing.add(pts)

    def give_up(self, pts: set[int]) -> None:
        """Of what is missing, these frames will not come."""
        self.lost |= self.missing & pts
        self.missing -= pts

    def offer(self, frames: Iterable[Any]) -> None:
        """Take what is wanted of the frames that a decoder gave (``av.VideoFrame``)."""
        for frame in frames:
            if frame.pts in self.missing and not frame.is_corrupt:
                self.keep(frame.pts, frame)

    def keep(self, pts: int, frame: Any) -> None:
        """Take one frame under this pts."""
        matrix = frame.side_data.get("DISPLAYMATRIX")
        orientation = orientation_of(None if matrix is None else bytes(matrix))
        pixels = self._buffer.append(frame, self._aspect, orientation)
        if self._is_long:
            self._means[pts] = block_means(pixels)
        self.missing.discard(pts)
        self._pts.append(pts)
        self.kept += 1

    @property
    def has_window(self) -> bool:
        """Whether more frames are here than a window may have, with none missing between."""
        if not self._is_long or len(self._pts) <= self._most:
            return False
        floor = min(self.missing, default=None)
        return floor is None or sum(pts < floor for pts in self._pts) > self._most

    def window(self) -> Window:
        """Cut the next window off; only while `has_window`."""
        first = sorted(self._pts)[: self._most + 1]
        means = [self._means[pts] for pts in first]
        changes = [change(before, after) for before, after in pairwise(means)]
        return self._give(first[: window_size(changes)])

    def rest(self) -> Window:
        """Give out the frames that are left; none if every one was given out.

        Packets in disorder can make more of them than were to come: of what is not cut into
        windows no more are given than a window may have, evenly spread.
        """
        left = sorted(self._pts)
        chosen = left if self._is_long else spread(left, self._most)
        return replace(self._give(chosen), until=None)

    def _give(self, chosen: list[int]) -> Window:
        number = {pts: n for n, pts in enumerate(self._pts)}
        pixels, shapes = self._buffer.take([number[pts] for pts in chosen])
        gone = set(chosen)
        self._pts = [pts for pts in self._pts if pts not in gone]
        for pts in chosen:
            self._means.pop(pts, None)
        self.given_to = chosen[-1] if chosen else self.given_to
        return Window(tuple(chosen), pixels, shapes, min(self._pts, default=None))


@dataclass(frozen=True)
class _Frame:
    pts: int
    shape: tuple[int, int]
    pixels: bytes | memoryview


class Thinned:
    """Frames from all over a video, gathered while its windows go by.

    Those on screen at the middles of equal parts of the video, of the frames that go by.

    Args:
        most: How many.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._before: _Frame | None = None
        self._taken: list[_Frame] = []
        self._middles_passed = 0

    def add(self, window: Window, start: int, duration: int) -> None:
        """Take some frames of the next window.

        Args:
            window: It stays as it is.
            start: Where the video begins, ticks.
            duration: Its length, ticks.
        """
        if not self._most:
            return
        place = 0
        for pts, shape in zip(window.pts, window.shapes, strict=True):
            size = shape[0] * shape[1] * 3
            frame = _Frame(pts, shape, memoryview(window.pixels)[place : place + size])
            self._pass_middles(2 * self._most * (pts - start), duration, self._before or frame)
            self._before = frame
            place += size
        self._before = _kept(frame)

    def _pass_middles(self, place: int, duration: int, on_screen: _Frame) -> None:
        """A frame begins at `place`: what was on screen at the middles before it is taken."""
        while (
            self._middles_passed < self._most
            and (2 * self._middles_passed + 1) * duration < place
        ):
            self._middles_passed += 1
            if not self._taken or self._taken[-1].pts != on_screen.pts:
                self._taken.append(_kept(on_screen))

    def window(self) -> Window:
        """All that were taken, up to the last frame that went by."""
        if self._before is not None:
            self._pass_middles(2 * self._most, 1, self._before)
        return Window(
            tuple(frame.pts for frame in self._taken),
            bytearray().join(frame.pixels for frame in self._taken),
            tuple(frame.shape for frame in self._taken),
            None,
        )


def _kept(frame: _Frame) -> _Frame:
    return _Frame(frame.pts, frame.shape, bytes(frame.pixels))
