"""An opened video stream, by PyAV."""

from __future__ import annotations

import io
import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from fractions import Fraction
from typing import Any, BinaryIO

import av
import av.error

from operators.signatures import FileType
from operators.storage.ranged import RangedFile
from operators.video.clock import Clock
from operators.video.damage import Damage, failure_of
from operators.video.decoder import Decoder
from operators.video.formats import DEMUXERS, Allowed, codec_of, decoders
from operators.video.frame_memory import MAX_VIDEO_PIXELS, checked_frame_pixels
from operators.video.iso_index import better_unseen
from operators.video.isolation import as_it_comes, refuse_to_open
from operators.video.ranges import (
    ByteIndex,
    byte_index,
    spans_of_groups,
    spans_of_keyframes,
)
from operators.video.structure import packs_frames
from operators.video.timeline import KeyframeIndex
from schemas.failure import FailureCode, ItemFailure, Stage

_READ_BYTES = 1 << 18

_REMOTE_READ_BYTES = 1 << 16
"""FFmpeg says how much it wants where that is more, and so it comes in one request."""


def _fail(code: FailureCode, message: str) -> ItemFailure:
    return ItemFailure(Stage.DECODE, code, message)


class VideoReader:
    """An opened video stream; see `operators.video.reader.PacketReader`.

    Args:
        file: Open and seekable.
        file_type: What it is.
        check_time: Called before each packet.
        allowed: What may be decoded.
        damage: Told of what cannot be read.
    """

    def __init__(
        self,
        file: BinaryIO,
        file_type: FileType,
        check_time: Callable[[], None],
        allowed: Allowed,
        damage: Damage,
    ) -> None:
        self._file = file
        self._file_type = file_type
        self._check_time = check_time
        self._allowed = allowed
        self.damage = damage
        self._bytes: ByteIndex | None = None
        self._decoder = Decoder(corrupt_is_cut=file_type.name != "mpegts")
        self._is_packed = packs_frames(file, file_type)
        is_iso = DEMUXERS[file_type.name] == "mov"
        self._unseen = better_unseen(file, damage.is_cut_off) if is_iso else []
        self._open()

    def _open(self) -> None:
        self._size = self._file.seek(0, io.SEEK_END)
        self._file.seek(0)
        self._steps = 0
        read_bytes = _REMOTE_READ_BYTES if isinstance(self._file, RangedFile) else _READ_BYTES
        limits = {"codec_whitelist": decoders(self._allowed.codecs), "threads": "1"}
        self.container = av.open(
            as_it_comes(self._file, self._unseen),
            format=DEMUXERS[self._file_type.name],
            options={**limits, "max_pixels": str(MAX_VIDEO_PIXELS)},
            io_open=refuse_to_open,
            metadata_errors="replace",
            buffer_size=read_bytes,
        )
        try:
            self.stream = self._choose_stream()
            for other in self.container.streams:
                if other.index != self.stream.index:
                    other.discard = av.stream.Discard.all
            self._check_codec()
        except BaseException:
            self.container.close()
            raise

    def _choose_stream(self) -> Any:
        """Of several videos the one marked as default, or else the largest."""
        cover = av.stream.Disposition.attached_pic
        videos = [s for s in self.container.streams.video if not s.disposition & cover]
        if videos:
            return max(videos, key=_standing)
        kinds = sorted({stream.type for stream in self.container.streams}) or ["none at all"]
        raise _fail(
            FailureCode.NO_VIDEO_STREAM,
            f"the {self._file_type.name} has no video stream; its streams: {', '.join(kinds)}",
        )

    def _check_codec(self) -> None:
        context = self.stream.codec_context
        name = "unknown" if context is None else codec_of(context.codec.name)
        if name not in self._allowed.codecs:
            raise self._allowed.no_codec(name)
        most_pixels = checked_frame_pixels(context, name, self._allowed.decode_bytes)
        self.fields_apart = name == "hevc"
        context.thread_count = 1
        # A stream may change its size.
        context.options = {"max_pixels": str(most_pixels)}
        self._decoder.use(context, name)
        # AVI says when packets are decoded; FFmpeg takes that of these for when they are shown.
        reorders = name in ("h264", "hevc") or self._is_packed
        is_avi = self._file_type.name == "avi"
        self._knows_order_only = is_avi and reorders and context.has_b_frames

    def close(self) -> None:
        """Close the container, not the file."""
        self.container.close()

    def seek(self, tick: int) -> bool:
        """See `PacketReader.seek`."""
        self._decoder.forget()
        self._steps += 1
        try:
            self.container.seek(tick, stream=self.stream, backward=True)
        except av.error.FFmpegError:
            return False
        return True

    def rewind(self) -> None:
        """See `PacketReader.rewind`; opens anew, for not every container seeks to its start."""
        self.container.close()
        self._open()

    def packets(self) -> Iterator[Any]:
        """See `PacketReader.packets`."""
        packets = self.container.demux(self.stream)
        clock = Clock(self.tick_s) if self._file_type.name == "mpegts" else None
        while True:
            try:
                packet = next(packets, None)
            except IndexError as error:
                # PyAV looks up each packet's stream among those it found at the start.
                self.damage.meet(
                    "packets",
                    FailureCode.CORRUPT,
                    f"the {self._file_type.name} has packets of a stream that was not there at "
                    "its start; remux it",
                    error,
                )
                packets = self.container.demux(self.stream)
                continue
            except av.error.FFmpegError as error:
                failure = failure_of(error, self._file_type.name)
                self.damage.meet("packets", failure.code, failure.message, error)
                return
            if packet is None:
                return
            self._check_time()
            if packet.size:
                self._steps += 1
                if self._knows_order_only:
                    packet.pts = None
                if clock is not None:
                    clock.set(packet)
                yield packet

    @property
    def looks_ahead(self) -> bool:
        """See `PacketReader.looks_ahead`."""
        return self._decoder.looks_ahead

    @property
    def lost_stand_in(self) -> bool:
        """See `PacketReader.lost_stand_in`."""
        return self._decoder.lost_stand_in

    def stand_ins(
        self, packets: Sequence[Any], wanted: Sequence[bool], is_end: bool
    ) -> list[bytes | None]:
        """See `PacketReader.stand_ins`."""
        self._check_time()
        return self._decoder.stand_ins(packets, wanted, is_end=is_end)

    def feed(self, packet: Any, wanted: bool, stand_in: bytes | None = None) -> list[Any]:
        """See `PacketReader.feed`; of a damaged packet comes no frame."""
        self._check_time()
        return self._decoder.feed(
            packet, wanted=wanted, is_first=self._steps == 1, stand_in=stand_in
        )

    def drain(self) -> list[Any]:
        """See `PacketReader.drain`."""
        return self._decoder.drain()

    @property
    def lacked_a_start(self) -> bool:
        """See `PacketReader.lacked_a_start`."""
        return self._decoder.lacked_a_start

    def keyframes(self) -> KeyframeIndex | None:
        """See `PacketReader.keyframes`."""
        if DEMUXERS[self._file_type.name] not in ("mov", "matroska"):
            return None
        # Matroska reads its cues only when it is first told to seek.
        if not self.seek(self.start):
            return None
        # A few bytes can claim more samples than there are bytes in the file.
        if len(self.stream.index_entries) > self._size:
            return None
        # An index of twelve hours has a million entries: nothing is made of most of them.
        key_ticks: dict[int, bool] = {}
        first = last = None
        for entry in self.stream.index_entries:
            last = entry.timestamp if last is None else max(last, entry.timestamp)
            if first is None and not entry.is_discard:
                first = entry.timestamp
            if entry.is_keyframe:
                key_ticks[entry.timestamp] = entry.is_discard
        ticks = sorted(key_ticks)
        if not ticks or last is None or not self.duration_ticks:
            return None
        has_every_packet = DEMUXERS[self._file_type.name] == "mov"
        gaps = [b - a for a, b in itertools.pairwise(ticks)]
        slack = self.duration_ticks // 10 if has_every_packet else 2 * max(gaps, default=0)
        if last + slack < self.start + self.duration_ticks:
            return None
        if isinstance(self._file, RangedFile):
            entries = [
                (e.timestamp, e.is_keyframe, e.pos, e.size) for e in self.stream.index_entries
            ]
            self._bytes = byte_index(entries, self._file.size, float(self.tick_s))
        # In MP4 the index holds dts; the first packets' distance to pts holds for all, nearly.
        shift = self.start - first if has_every_packet and first is not None else 0
        shown = [number for number, tick in enumerate(ticks) if not key_ticks[tick]]
        return KeyframeIndex(ticks, [tick + shift for tick in ticks], shown)

    def expect_groups(self, groups: Mapping[int, Sequence[int]]) -> None:
        """See `PacketReader.expect_groups`."""
        if isinstance(self._file, RangedFile) and self._bytes is not None:
            self._file.expect(spans_of_groups(self._bytes, groups))

    def expect_keyframes(self, numbers: Sequence[int]) -> None:
        """See `PacketReader.expect_keyframes`."""
        if isinstance(self._file, RangedFile) and self._bytes is not None:
            self._file.expect(spans_of_keyframes(self._bytes, numbers))

    @property
    def tick_s(self) -> Fraction:
        """See `PacketReader.tick_s`."""
        return self.stream.time_base

    @property
    def start(self) -> int:
        """See `PacketReader.start`."""
        return self.stream.start_time or 0

    @property
    def duration_ticks(self) -> int:
        """See `PacketReader.duration_ticks`."""
        if (self.stream.duration or 0) > 0:
            return self.stream.duration
        seconds = max(0, self.container.duration or 0) / av.time_base
        return round(seconds / self.stream.time_base)

    @property
    def frame_count(self) -> int | None:
        """See `PacketReader.frame_count`."""
        # Of a fragmented file the header counts only those before the first fragment.
        frames = self.stream.frames
        return max(frames, len(self.stream.index_entries)) if frames else None

    @property
    def aspect(self) -> Fraction | None:
        """See `PacketReader.aspect`."""
        return self.stream.sample_aspect_ratio


def _standing(stream: Any) -> tuple[bool, int]:
    context = stream.codec_context
    pixels = 0 if context is None else context.width * context.height
    return bool(stream.disposition & av.stream.Disposition.default), pixels
