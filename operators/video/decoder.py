"""A stream's decoder, out of which only frames come that can be trusted."""

from __future__ import annotations

import contextlib
from typing import Any

import av.error

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
    """

    def __init__(self, *, corrupt_is_cut: bool) -> None:
        self._trust = Trust()
        self._corrupt_is_cut = corrupt_is_cut
        self._context: Any = None
        self._codec = ""
        self._lengths = 0

    def use(self, context: Any, codec: str) -> None:
        """Decode by this context (``av.VideoCodecContext``) from now on; it is empty."""
        self._trust.end()
        self._trust.shows_every_picture = codec in _SHOWS_EVERY_PICTURE
        self._context, self._codec = context, codec
        if codec in _SKIPPED_IN:
            self._lengths = length_bytes(codec, context.extradata)

    @property
    def lacked_a_start(self) -> bool:
        """See `Trust`."""
        return self._trust.lacked_a_start

    def feed(self, packet: Any, *, wanted: bool, is_first: bool) -> list[Any]:
        """Decode a packet (``av.Packet``), unless it is neither wanted nor referred to.

        Args:
            packet: The next one.
            wanted: Whether its frame is asked for.
            is_first: Whether it is the very first of the stream.

        Returns:
            Frames (``av.VideoFrame``) that were asked for; of damaged packets come none.
        """
        # FFmpeg could skip them itself, but then it tells of no damage in the others.
        frames = []
        if not wanted and self._can_skip(packet):
            self._trust.pass_by(packet)
        else:
            frames = self._decoded(packet, wanted, is_first)
        if packet.is_corrupt:
            self._trust.tear()
        return frames

    def _can_skip(self, packet: Any) -> bool:
        if self._codec not in _SKIPPED_IN:
            return False
        return not is_referred_to(memoryview(packet), self._codec, self._lengths)

    def _decoded(self, packet: Any, wanted: bool, is_first: bool) -> list[Any]:
        self._trust.feed(packet, wanted=wanted, is_first=is_first)
        if packet.is_corrupt and self._corrupt_is_cut:
            self._trust.fail()
        try:
            return self._trust.sift(packet.decode())
        except av.error.InvalidDataError:
            self._trust.fail()
            return []

    def drain(self) -> list[Any]:
        """What is still inside; the decoder is empty afterwards."""
        frames = []
        with contextlib.suppress(av.error.InvalidDataError, av.error.EOFError):
            frames = self._trust.sift(self._context.decode(None))
        self._context.flush_buffers()
        return frames + self._trust.end()

    def forget(self) -> None:
        """The decoder was emptied by a jump."""
        self._trust.end()
