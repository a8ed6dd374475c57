"""What decoding needs of an opened video."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction
from typing import Any, Protocol

from operators.video.damage import Damage
from operators.video.timeline import KeyframeIndex


class PacketReader(Protocol):
    """An opened video stream: packets in decode order, and their decoder.

    Attributes:
        damage: To be told of what cannot be decoded.
        fields_apart: Whether a frame that is marked as interlaced is one field by itself, as
            HEVC has them, and not two that are woven.
    """

    damage: Damage
    fields_apart: bool

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

    @property
    def lacked_a_start(self) -> bool:
        """Whether decoding began at a keyframe that was none, so that frames are missing."""

    def keyframes(self) -> KeyframeIndex | None:
        """The container's index; None if it has none that reaches to the end."""

    def expect_groups(self, groups: Mapping[int, Sequence[int]]) -> None:
        """Targets that will be decoded, by the number of the keyframe before: fetch ahead."""

    def expect_keyframes(self, numbers: Sequence[int]) -> None:
        """Numbers of keyframes that will be decoded: likewise."""

    def seek(self, tick: int) -> bool:
        """Go to the last keyframe shown at a tick, with an empty decoder.

        Answers False if the container cannot go there.
        """

    def rewind(self) -> None:
        """Go back to the first packet."""

    def packets(self) -> Iterator[Any]:
        """The packets from here on (``av.Packet``); raises DECODE_TIMEOUT."""

    @property
    def looks_ahead(self) -> bool:
        """Whether `stand_ins` may find any among the packets that follow: hold them back."""

    @property
    def lost_stand_in(self) -> bool:
        """Whether the decoder ever took no notice of one: it gets none any more."""

    def stand_ins(
        self, packets: Sequence[Any], wanted: Sequence[bool], is_end: bool
    ) -> list[bytes | None]:
        """What to feed in place of packets that are neither wanted nor needed for others.

        Args:
            packets: Those that follow the ones of the last call, or the first after a seek.
            wanted: Whether the frame of each is.
            is_end: Whether no more are wanted until the decoder is drained.
        """

    def feed(self, packet: Any, wanted: bool, stand_in: bytes | None = None) -> list[Any]:
        """Decode a packet; one that is not wanted may be skipped if nothing refers to it.

        Args:
            packet: As it was read.
            wanted: Whether its frame is.
            stand_in: What `stand_ins` found for it.
        """

    def drain(self) -> list[Any]:
        """The frames that the decoder still holds; it is empty afterwards."""
