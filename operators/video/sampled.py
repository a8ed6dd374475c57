"""The sampled frames of an opened video, by its index or, failing that, by a scan."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass

from operators.video import scanning, seeking
from operators.video.reader import PacketReader
from operators.video.sampling import ROUNDING_S
from operators.video.sink import FrameSink, Window
from operators.video.timeline import KeyframeIndex, snapped_to
from schemas.failure import FailureCode, ItemFailure, Stage


def _fail(code: FailureCode, message: str) -> ItemFailure:
    return ItemFailure(Stage.DECODE, code, message)


@dataclass(frozen=True)
class Known:
    """What a policy may know of a video.

    Attributes:
        duration_s: Its length, seconds.
        frame_count: Its frames; None if nobody says.
        keyframe_times: When keyframes are shown, ascending, seconds from its start.
    """

    duration_s: float
    frame_count: int | None
    keyframe_times: Sequence[float]


Choose = Callable[[Known], list[float]]
"""From what is known of a video to the wanted moments, ascending, seconds from its start."""


class Sampler:
    """Decodes the frames of wanted moments from an opened video.

    Args:
        reader: The video.
        choose: The moments.
        most: Frames of a window.
        max_frame_pixels: Most pixels of each frame.
        within_s: A keyframe no farther from a moment is taken instead of what is on screen
            then; None for exact frames; 0 where moments are those of keyframes, nearly.

    Attributes:
        start: Where the stream begins, ticks.
        duration: Its length, ticks.
        times: The moments that were chosen, once decoding has begun.
    """

    def __init__(
        self,
        reader: PacketReader,
        choose: Choose,
        most: int,
        max_frame_pixels: int,
        within_s: float | None = None,
    ) -> None:
        self._reader, self._choose, self._most = reader, choose, most
        self._max_pixels, self._within_s = max_frame_pixels, within_s
        self._sink = self._new_sink(0)
        self.start = reader.start
        self.duration = reader.duration_ticks
        self.times: list[float] = []
        self._wanted: list[int] = []

    def _new_sink(self, expected: int) -> FrameSink:
        return FrameSink(
            self._most,
            expected,
            self._max_pixels,
            self._reader.aspect,
            fields_apart=self._reader.fields_apart,
        )

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

    def requested(self, pts: Sequence[int]) -> list[float]:
        """The moments for which frames of these pts were taken, seconds."""
        if self._within_s == 0.0:  # The index told when keyframes are shown, nearly.
            return [self.seconds(one) for one in pts]
        instead_of, found = self._sink.instead_of, []
        for one in pts:
            # Without another reason it is on screen at the first moment from its own on.
            at = bisect_left(self._wanted, instead_of.get(one, one))
            found.append(self.times[min(at, len(self.times) - 1)])
        return found

    def decode(self) -> Iterator[Window]:
        """All wanted frames in order: one window, or as many as a long video is cut into.

        A window is given as soon as it is complete, so that one is held at a time.

        Raises:
            ItemFailure: NO_FRAMES or CORRUPT; and what the reader raises.
        """
        # The index of a video that is cut off leads past its end.
        keys = None if self._reader.damage.is_cut_off else self._reader.keyframes()
        if keys is None or not (yield from self._indexed(keys)):
            self._reader.rewind()
            yield from self._scanned()
        self._check_complete()
        yield self._sink.rest()

    def _indexed(self, keys: KeyframeIndex) -> Generator[Window, None, bool]:
        """Decode by the index; answers False if it misleads."""
        key_times = [self.seconds(keys.pts[number]) for number in keys.shown]
        targets = self._targets(self._reader.frame_count, key_times)
        self._sink = self._new_sink(len(targets))
        if not targets:
            return False
        decoding = seeking.decode_targets(
            self._reader,
            keys,
            targets,
            self._within,
            self._sink,
            is_strict=bool(self._within_s),
        )
        return (yield from self._cut(decoding))

    def _scanned(self) -> Iterator[Window]:
        """Decode without an index, from behind the windows that were given out already."""
        found = scanning.scan(self._reader)
        pts, given_to, given = found.timeline.pts, self._sink.given_to, self._sink.given
        if not pts:
            raise _fail(FailureCode.NO_FRAMES, "the video stream holds no frames")
        if given_to is None:
            # The times found by a scan may differ from the header's: begin with nothing kept.
            typical_gap = (pts[-1] - pts[0]) // max(1, len(pts) - 1) if len(pts) > 1 else 1
            self.start, self.duration = pts[0], pts[-1] - pts[0] + typical_gap
        keys = found.timeline.key_pts or pts[:1]
        self._reader.rewind()
        targets = self._targets(len(pts), [self.seconds(key) for key in keys])
        if not targets:
            raise _fail(
                FailureCode.NO_FRAMES,
                f"no wanted moment is in the video, which lasts {self.duration_s:.3f} s",
            )
        self._sink = self._new_sink(len(targets))
        self._sink.given_to, self._sink.kept = given_to, given
        numbers = snapped_to(keys, targets, self._within)
        taken = []
        for target, number in zip(targets, numbers, strict=True):
            if number is not None:
                self._sink.instead_of.setdefault(keys[number], target)
            taken.append(target if number is None else keys[number])
        if given_to is not None:
            taken = [target for target in taken if target > given_to]
        if taken:
            decoding = scanning.decode_targets(self._reader, found, taken, self._sink)
            yield from self._cut(decoding)
        if self._sink.missing and self._reader.lacked_a_start:
            yield from self._cut(scanning.decode_all(self._reader, self._sink))

    @property
    def _within(self) -> int | None:
        """`within_s` in ticks."""
        if self._within_s is None:
            return None
        return math.floor((self._within_s + ROUNDING_S) / float(self._reader.tick_s))

    def _targets(self, frame_count: int | None, keyframe_times: Sequence[float]) -> list[int]:
        """The ticks of the moments whose frames are wanted."""
        tick_s = float(self._reader.tick_s)
        self.times = self._choose(Known(self.duration * tick_s, frame_count, keyframe_times))
        # The tick under way at a time, which may be late by the containers' rounding.
        self._wanted = [
            self.start + math.floor((time + ROUNDING_S) / tick_s) for time in self.times
        ]
        return self._wanted

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
            self._tell_lost(self._sink.lost)
            while self._sink.has_window:
                yield self._sink.window()
        self._tell_lost(self._sink.lost)
        while self._sink.has_window:
            yield self._sink.window()
        return result

    def _check_complete(self) -> None:
        sink = self._sink
        if not sink.kept and sink.given_to is None:
            raise _fail(FailureCode.NO_FRAMES, "not one frame of the video could be decoded")
        self._tell_lost(sink.lost | sink.missing)

    def _tell_lost(self, lost: set[int]) -> None:
        if not lost:
            return
        times = sorted(self.seconds(pts) for pts in lost)
        places = ", ".join(f"{time:.3f} s" for time in times[:5])
        self._reader.damage.meet(
            "frames",
            FailureCode.CORRUPT,
            f"{len(times)} of {len(times) + self._sink.kept} sampled frames cannot be "
            f"decoded, those at {places}{' and later' if len(times) > 5 else ''}",
        )
