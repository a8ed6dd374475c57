"""What decoding needs of an opened video, and where the wanted frames go."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from fractions import Fraction
from typing import Any, Protocol

from operators.video.pixels import FrameBuffer, orientation_of
from operators.video.timeline import KeyframeIndex


class PacketReader(Protocol):
    """An opened video stream: packets in decode order, and their decoder."""

    @property
    def tick_s(self) -> Fraction:
        """Seconds of one tick."""

    @property
    def start(self) -> int:
        """Where the stream begins by its headers, ticks."""

    @property
    def duration_ticks(self) -> int:
        """Its duration by the headers, ticks; 0 if they do not say."""

    @property
    def frame_count(self) -> int | None:
        """Its frames by the headers; None if they do not say."""

    @property
    def aspect(self) -> Fraction | None:
        """Width over height of one stored pixel; None if that is unknown."""

    def keyframes(self) -> KeyframeIndex | None:
        """The container's index; None if it has none that reaches to the end."""

    def seek(self, tick: int) -> bool:
        """Go to the last keyframe shown at a tick, with an empty decoder.

        Answers False if the container cannot go there.
        """

    def rewind(self) -> None:
        """Go back to the first packet."""

    def packets(self) -> Iterator[Any]:
        """The packets from here on (``av.Packet``); raises DECODE_TIMEOUT."""

    def feed(self, packet: Any, wanted: bool) -> list[Any]:
        """Decode a packet; one that is not wanted may be skipped if nothing refers to it."""

    def drain(self) -> list[Any]:
        """The frames that the decoder still holds; it is empty afterwards."""


class FrameSink:
    """Keeps the frames that are wanted and forgets the others.

    Args:
        buffer: Takes the pixels.
        aspect: Width over height of one stored pixel.

    Attributes:
        buffer: The pixels kept.
        missing: The pts wanted but not decoded so far.
        pts: The pts of the frames kept, in the order of the buffer.
    """

    def __init__(self, buffer: FrameBuffer, aspect: Fraction | None) -> None:
        self.buffer = buffer
        self._aspect = aspect
        self.missing: set[int] = set()
        self.pts: list[int] = []

    def want(self, pts: int) -> None:
        """Keep the frame of this pts when it comes, unless it is kept already."""
        if pts not in self.pts:
            self.missing.add(pts)

    def offer(self, frames: Iterable[Any]) -> None:
        """Take what is wanted of the frames that a decoder gave (``av.VideoFrame``)."""
        for frame in frames:
            if frame.pts in self.missing and not frame.is_corrupt:
                self.keep(frame.pts, frame)

    def keep(self, pts: int, frame: Any) -> None:
        """Take one frame under this pts."""
        matrix = frame.side_data.get("DISPLAYMATRIX")
        orientation = orientation_of(None if matrix is None else bytes(matrix))
        self.buffer.append(frame, self._aspect, orientation)
        self.missing.discard(pts)
        self.pts.append(pts)
