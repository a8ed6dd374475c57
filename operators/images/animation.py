"""Animations: GIF, APNG, WebP and AVIF as short videos."""

from __future__ import annotations

import bisect
from collections.abc import Callable, Collection, Iterator
from itertools import pairwise

import numpy as np
from PIL import Image

from operators.images.decode import rendered
from operators.images.limits import check_size
from operators.images.opening import opened
from operators.signatures import FileType
from operators.video.policies import PROBE_PIXELS
from operators.video.sampling import target_times
from operators.video.shots import times_by_change, times_by_shots
from operators.video.windows import block_means, change
from schemas.failure import FailureCode, ItemFailure, Stage
from schemas.media import IMAGE_FORMATS, MAX_DECODE_BYTES, Cue, Frames, MediaKind
from schemas.sampling import VideoSampling

MAX_FRAMES = 10_000
"""Longer animations are refused: every frame has to be drawn to get at the last one."""

_SHORTEST_MS = 10
_INSTEAD_MS = 100


def decode_animation(
    data: bytes,
    *,
    sampling: VideoSampling,
    max_frame_pixels: int,
    max_source_pixels: int,
    max_decode_bytes: int = MAX_DECODE_BYTES,
    formats: Collection[str] = IMAGE_FORMATS,
    cues: tuple[Cue, ...] = (),
    check_time: Callable[[], None] = lambda: None,
) -> Frames:
    """Decode the frames of an animation that a sampling policy wants.

    It is played once, whatever it says about loops, and never cut into windows. A frame
    that lasts 10 ms or less is shown for 100 ms, as browsers do. Frames are exact, whatever
    ``snap_s`` allows; for the policy keyframes every frame is one. Pixels are as
    `decode_image` gives them.

    Args:
        data: The file. A GIF of one frame is a video of one frame.
        sampling: Which frames; at most ``max_frames``.
        max_frame_pixels: Most pixels of each frame.
        max_source_pixels: Most pixels that a frame may claim.
        max_decode_bytes: Most memory that decoding may take, by an estimate.
        formats: What may be read, as the content says.
        cues: Its subtitles.
        check_time: Called before each frame; ends the decode by raising `ItemFailure`.

    Raises:
        ItemFailure: As `decode_image`; also NOT_MEDIA if it is a still image, TOO_LARGE if it
            has more than `MAX_FRAMES`, and NO_FRAMES if it ends before the wanted moments.
    """
    with opened(data, formats, max_source_pixels, max_decode_bytes) as (image, kind):
        frames = _Played(image, kind, max_source_pixels, check_time)
        starts, duration_s = frames.timeline()
        moments: dict[int, float] = {}
        for time in _moments(frames, sampling, starts, duration_s):
            moments.setdefault(max(0, bisect.bisect_right(starts, time) - 1), time)
        pixels, source = frames.pixels(moments, max_frame_pixels)
    return Frames(
        kind=MediaKind.VIDEO,
        pixels=b"".join(one.data.cast("B") for one in pixels),
        shapes=tuple(one.shape[:2] for one in pixels),
        pts_s=tuple(starts[number] for number in moments),
        requested_s=tuple(moments.values()),
        source_width=source[0],
        source_height=source[1],
        duration_s=duration_s,
        source_format=kind.name,
        cues=cues,
    )


def _moments(
    frames: _Played, sampling: VideoSampling, starts: list[float], duration_s: float
) -> list[float]:
    """The moments that the policy wants, ascending, seconds."""
    if sampling.policy in ("shots", "adaptive"):
        looks = [block_means(one) for one in frames.each(PROBE_PIXELS)]
        changes = [change(before, after) for before, after in pairwise(looks)]
        if sampling.policy == "adaptive":
            return times_by_change(starts, changes, sampling.max_frames)
        return times_by_shots(starts, changes, sampling.frames_a_shot, sampling.max_frames)
    times = target_times(
        sampling, duration_s=duration_s, frame_count=len(starts), keyframe_times=starts
    )
    if not times:
        raise _refused(
            FailureCode.NO_FRAMES,
            f"no wanted moment is in the animation, which lasts {duration_s:.3f} s",
        )
    return times


class _Played:
    """An opened animation, played from its start as often as one asks."""

    def __init__(
        self,
        image: Image.Image,
        kind: FileType,
        max_source_pixels: int,
        check_time: Callable[[], None],
    ) -> None:
        self._image = image
        self._kind = kind
        self._max_source_pixels = max_source_pixels
        self._check_time = check_time
        # An APNG may have a picture for readers that know no APNG, before its frames.
        self._first = 1 if getattr(image, "default_image", False) else 0

    def _frames(self) -> Iterator[int]:
        """Stand at each frame in turn; its number."""
        number = 0
        while True:
            self._check_time()
            try:
                self._image.seek(self._first + number)
            except EOFError:
                return
            check_size(self._image.size, self._kind, self._max_source_pixels)
            yield number
            number += 1

    def timeline(self) -> tuple[list[float], float]:
        """When each frame is shown, and when the last one ends, seconds."""
        starts: list[float] = []
        end_ms = 0.0
        for number in self._frames():
            if number == MAX_FRAMES:
                raise _refused(
                    FailureCode.TOO_LARGE,
                    f"the {self._kind.name} has more than the {MAX_FRAMES:,} frames that are "
                    "played; take it as an image, or recode it as a video",
                )
            start_ms, lasts_ms = self._when(end_ms)
            starts.append(round(start_ms) / 1000)
            end_ms = start_ms + lasts_ms
        if len(starts) < 2 and self._kind.name != "gif":
            raise _refused(
                FailureCode.NOT_MEDIA,
                f"taken as a video, but the content is a still {self._kind.name}; correct "
                "the file's suffix, or the input's `kind`",
            )
        return starts, round(end_ms) / 1000

    def _when(self, before_ms: float) -> tuple[float, float]:
        """When the frame is shown that it stands at, and for how long."""
        image = self._image
        if image.format in ("WEBP", "AVIF"):
            image.load()  # Only then do they say.
        lasts_ms = float(image.info.get("duration", 0))
        if image.format == "AVIF":
            # Of its durations only the sums are rounded to milliseconds.
            return float(image.info["timestamp"]), lasts_ms
        return before_ms, lasts_ms if lasts_ms > _SHORTEST_MS else _INSTEAD_MS

    def each(self, max_frame_pixels: int) -> Iterator[np.ndarray]:
        """All frames, each (h, w, 3)."""
        for _ in self._frames():
            yield rendered(self._image, max_frame_pixels)[0]

    def pixels(
        self, wanted: Collection[int], max_frame_pixels: int
    ) -> tuple[list[np.ndarray], tuple[int, int]]:
        """The frames of these numbers, each (h, w, 3), and the size as shown of the first."""
        taken: list[tuple[np.ndarray, tuple[int, int]]] = []
        last = max(wanted)
        for number in self._frames():
            if number in wanted:
                taken.append(rendered(self._image, max_frame_pixels))
            if number == last:
                break
        return [pixels for pixels, _ in taken], taken[0][1]


def _refused(code: FailureCode, message: str) -> ItemFailure:
    return ItemFailure(Stage.DECODE, code, message)
