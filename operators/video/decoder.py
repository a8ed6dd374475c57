"""A stream's decoder, out of which only frames come that can be trusted."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from typing import Any

import av
import av.error

from operators.video.bits import NotUnderstoodError
from operators.video.h264_lookahead import Lookahead
from operators.video.references import is_referred_to, length_bytes
from operators.video.trust import Trust

_SKIPPED_IN = frozenset({"h264", "hevc"})
"""Codecs of which pictures that no other one refers to are passed over."""

_SHOWS_EVERY_PICTURE = frozenset({"mpeg1video", "mpeg2video", "mpeg4"})
"""Codecs without hidden pictures whose decoders pass some damage over in silence."""


class Decoder:
    """Decodes the packets of one stream.

    Args:
        corrupt_is_cut: Whether a packet that the container calls corrupt lacks its own end;
            in a transport stream it may be what follows that is missing.

    Attributes:
        looks_ahead: Whether `stand_ins` may find any for the packets that follow.
    """

    def __init__(self, *, corrupt_is_cut: bool) -> None:
        self._trust = Trust()
        self._corrupt_is_cut = corrupt_is_cut
        self._context: Any = None
        self._codec = ""
        self._lengths = 0
        self._lookahead: Lookahead | None = None
        self.looks_ahead = False

    def use(self, context: Any, codec: str) -> None:
        """Decode by this context (``av.VideoCodecContext``) from now on; it is empty."""
        self._trust.end()
        self._trust.shows_every_picture = codec in _SHOWS_EVERY_PICTURE
        self._context, self._codec = context, codec
        if codec in _SKIPPED_IN:
            self._lengths = length_bytes(codec, context.extradata)
        self._lookahead = None
        if codec == "h264":
            with contextlib.suppress(NotUnderstoodError):
                self._lookahead = Lookahead(context.extradata, self._lengths)
        self._begin()

    def _begin(self) -> None:
        """The decoder is empty, and nothing is known of the packets that come."""
        if self._trust.lost_stand_in:
            self._lookahead = None
        if self._lookahead is not None:
            self._lookahead.begin()
        # In threads of its own FFmpeg begins the next picture before it has marked this one.
        is_alone = self._context.thread_count == 1
        self.looks_ahead = self._lookahead is not None and is_alone

    @property
    def lost_stand_in(self) -> bool:
        """See `Trust`."""
        return self._trust.lost_stand_in

    @property
    def lacked_a_start(self) -> bool:
        """See `Trust`."""
        return self._trust.lacked_a_start

    def stand_ins(
        self, packets: Sequence[Any], wanted: Sequence[bool], *, is_end: bool
    ) -> list[bytes | None]:
        """What to feed in place of packets; see `Lookahead.stand_ins`. None where in doubt."""
        if self.looks_ahead and self._lookahead is not None:
            with contextlib.suppress(NotUnderstoodError):
                return self._lookahead.stand_ins(packets, wanted, is_end=is_end)
            self.looks_ahead = False
        return [None] * len(packets)

    def feed(
        self, packet: Any, *, wanted: bool, is_first: bool, stand_in: bytes | None = None
    ) -> list[Any]:
        """Decode a packet (``av.Packet``), unless it is neither wanted nor referred to.

        Args:
            packet: The next one.
            wanted: Whether its frame is asked for.
            is_first: Whether it is the very first of the stream.
            stand_in: What the decoder is given of it; None: all.

        Returns:
            Frames (``av.VideoFrame``) that were asked for; of damaged packets come none.
        """
        # FFmpeg could skip them itself, but then it tells of no damage in the others.
        frames = []
        if not wanted and self._can_skip(packet):
            self._trust.pass_by(packet)
        elif stand_in is None:
            frames = self._decoded(packet, wanted, is_first)
        else:
            frames = self._stood_in_for(packet, stand_in)
        if packet.is_corrupt:
            self._trust.tear()
        return frames

    def _can_skip(self, packet: Any) -> bool:
        if self._codec not in _SKIPPED_IN:
            return False
        return not is_referred_to(memoryview(packet), self._codec, self._lengths)

    def _decoded(self, packet: Any, wanted: bool, is_first: bool) -> list[Any]:
        if self._lookahead is not None and not self._lookahead.knows_parameters(packet):
            self._lookahead, self.looks_ahead = None, False
        self._trust.feed(packet, wanted=wanted, is_first=is_first)
        if packet.is_corrupt and self._corrupt_is_cut:
            self._trust.fail()
        try:
            return self._trust.sift(packet.decode())
        except av.error.InvalidDataError:
            self._trust.fail()
            return []

    def _stood_in_for(self, packet: Any, stand_in: bytes) -> list[Any]:
        self._trust.feed(packet, wanted=False, is_first=False, is_stand_in=True)
        instead = av.Packet(stand_in)
        instead.pts, instead.dts = packet.pts, packet.dts
        instead.time_base = packet.time_base
        try:
            return self._trust.sift(self._context.decode(instead))
        except av.error.InvalidDataError:
            return []  # That it does not come out is enough.

    def drain(self) -> list[Any]:
        """What is still inside; the decoder is empty afterwards."""
        frames = []
        with contextlib.suppress(av.error.InvalidDataError, av.error.EOFError):
            frames = self._trust.sift(self._context.decode(None))
        self._context.flush_buffers()
        frames += self._trust.end()
        self._begin()
        return frames

    def forget(self) -> None:
        """The decoder was emptied by a jump."""
        self._trust.end()
        self._begin()
