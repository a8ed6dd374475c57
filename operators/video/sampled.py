"""The sampled frames of an opened video, by its index or, failing that, by a scan."""

from __future__ import annotations

import math
from collections.abc import Generator, Iterator

from operators.video import scanning, seeking
from operators.video.reader import PacketReader
from operators.video.sampling import spread, target_times
from operators.video.sink import FrameSink, Window
from operators.video.timeline import KeyframeIndex
from schemas.failure import FailureCode, ItemFailure, Stage
from schemas.job import VideoSampling

ROUNDING_S = 0.0005
"""Containers that count milliseconds put a frame this much before or after its time."""


def _fail(code: FailureCode, message: str) -> ItemFailure:
    return ItemFailure(Stage.DECODE, code, message)


class Sampler:
    """Decodes the frames that a sampling policy wants from an opened video.

    Args:
        reader: The video.
        sampling: Which frames.
        max_frame_pixels: Most pixels of each frame.
        windows: How many windows of ``sampling.max_frames`` there may be, nearly.

    Attributes:
        start: Where the stream begins, ticks.
        duration: Its length, ticks.
    """

    def __init__(
        self,
        reader: PacketReader,
        sampling: VideoSampling,
        max_frame_pixels: int,
        windows: int = 1,
    ) -> None:
        self._reader = reader
        self._sampling = sampling
        self._max_pixels = max_frame_pixels
        self._windows = windows
        self._sink = self._new_sink(0)
        self.start = reader.start
        self.duration = reader.duration_ticks

    def _new_sink(self, expected: int) -> FrameSink:
        most = self._sampling.max_frames
        return FrameSink(most, expected, self._max_pixels, self._reader.aspect)

    @property
    def source_size(self) -> tuple[int, int]:
        """(width, height) of the video as shown; known once a frame was decoded."""
        return self._sink.source_size

    @property
    def duration_s(self) -> float:
        """The stream's length in seconds."""
        return float(self.duration * self._reader.tick_s)

    def seconds(self, pts: int) -> float:
        """When a frame is shown, from the start of the stream."""
        return float((pts - self.start) * self._reader.tick_s)

    def decode(self) -> Iterator[Window]:
        """All wanted frames in order: one window, or as many as a long video is cut into.

        A window is given as soon as it is complete, so that one is held at a time.

        Raises:
            ItemFailure: NO_FRAMES or CORRUPT; and what the reader raises.
        """
        keys = self._reader.keyframes()
        if keys is None or not (yield from self._indexed(keys)):
            self._reader.rewind()
            yield from self._scanned()
        self._check_complete()
        yield self._sink.rest()

    def _indexed(self, keys: KeyframeIndex) -> Generator[Window, None, bool]:
        """Decode by the index; answers False if it misleads."""
        if self._sampling.policy == "keyframes":
            most = self._sampling.max_frames * self._windows
            numbers = spread(keys.shown, most)
            self._sink = self._new_sink(len(numbers))
            if not numbers:
                return False
            decoding = seeking.decode_keyframes(self._reader, keys, numbers, self._sink)
        else:
            targets = self._targets(self._reader.frame_count, ())
            self._sink = self._new_sink(len(targets))
            decoding = seeking.decode_targets(self._reader, keys, targets, self._sink)
        return (yield from self._cut(decoding))

    def _scanned(self) -> Iterator[Window]:
        """Decode without an index, from behind the windows that were given out already."""
        found = scanning.scan(self._reader)
        pts, given_to = found.timeline.pts, self._sink.given_to
        if not pts:
            raise _fail(FailureCode.NO_FRAMES, "the video stream holds no frames")
        if given_to is None:
            # The times found by a scan may differ from the header's: begin with nothing kept.
            typical_gap = (pts[-1] - pts[0]) // max(1, len(pts) - 1) if len(pts) > 1 else 1
            self.start, self.duration = pts[0], pts[-1] - pts[0] + typical_gap
        keys = [self.seconds(key) for key in found.timeline.key_pts or pts[:1]]
        targets = self._targets(len(pts), keys)
        if given_to is not None:
            targets = [target for target in targets if target > given_to]
        self._sink = self._new_sink(len(targets))
        self._sink.given_to = given_to
        if targets:
            decoding = scanning.decode_targets(self._reader, found, targets, self._sink)
            yield from self._cut(decoding)
        if self._sink.missing and self._reader.lacked_a_start:
            yield from self._cut(scanning.decode_all(self._reader, self._sink))

    def _targets(
        self, frame_count: int | None, keyframe_times: list[float] | tuple
    ) -> list[int]:
        """The ticks of the moments whose frames are wanted."""
        tick_s = float(self._reader.tick_s)
        times = target_times(
            self._sampling,
            duration_s=self.duration * tick_s,
            frame_count=frame_count,
            keyframe_times=keyframe_times,
            windows=self._windows,
        )
        # The tick under way at a time, which may be late by the containers' rounding.
        return [self.start + math.floor((time + ROUNDING_S) / tick_s) for time in times]

    def _cut(
        self, decoding: Generator[None, None, bool] | Iterator[None]
    ) -> Generator[Window, None, bool]:
        """Take the windows out of the sink while decoding goes on; answers what that does."""
        result = True
        while True:
            try:
                next(decoding)
            except StopIteration as end:
                result = end.value is not False
                break
            while self._sink.has_window:
                yield self._sink.window()
        while self._sink.has_window:
            yield self._sink.window()
        return result

    def _check_complete(self) -> None:
        sink = self._sink
        if not sink.kept and sink.given_to is None:
            raise _fail(FailureCode.NO_FRAMES, "not one frame of the video could be decoded")
        if sink.missing:
            missing = sorted(self.seconds(pts) for pts in sink.missing)
            places = ", ".join(f"{time:.3f} s" for time in missing[:5])
            raise _fail(
                FailureCode.CORRUPT,
                f"{len(missing)} of {len(missing) + sink.kept} sampled frames cannot be "
                f"decoded, those at {places}",
            )
