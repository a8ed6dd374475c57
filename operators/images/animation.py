"""Animations: GIF, APNG, WebP and AVIF as short videos."""

from __future__ import annotations

import bisect
from collections.abc import Callable, Collection, Iterator

import numpy as np
from PIL import Image

from operators.images.decode import rendered
from operators.images.limits import check_size
from operators.images.opening import opened
from operators.signatures import FileType
from operators.video.sampling import target_times
from schemas.failure import FailureCode, ItemFailure, Stage
from schemas.job import VideoSampling
from schemas.media import IMAGE_FORMATS, Cue, Frames, MediaKind

MAX_FRAMES = 10_000
"""Longer animations are refused: every frame has to be drawn to get at the last one."""

_SHORTEST_S = 0.010
_INSTEAD_S = 0.100


def decode_animation(
    data: bytes,
    *,
    sampling: VideoSampling,
    max_frame_pixels: int,
    max_source_pixels: int,
    formats: Collection[str] = IMAGE_FORMATS,
    cues: tuple[Cue, ...] = (),
    check_time: Callable[[], None] = lambda: None,
) -> Frames:
    """Decode the frames of an animation that a sampling policy wants.

    It is played once, whatever it says about loops, and never cut into windows. A frame
    that lasts 10 ms or less is shown for 100 ms, as browsers do. For the policy keyframes
    every frame is one. Pixels are as `decode_image` gives them.

    Args:
        data: The file. A GIF of one frame is a video of one frame.
        sampling: Which frames; at most ``max_frames``.
        max_frame_pixels: Most pixels of each frame.
        max_source_pixels: Most pixels that a frame may claim.
        formats: What may be read, as the content says.
        cues: Its subtitles.
        check_time: Called before each frame; ends the decode by raising `ItemFailure`.

    Raises:
        ItemFailure: As `decode_image`; also NOT_MEDIA if it is a still image, and TOO_LARGE
            if it has more than `MAX_FRAMES`.
    """
    with opened(data, formats, max_source_pixels) as (image, kind):
        frames = _Played(image, kind, max_source_pixels, check_time)
        starts, duration_s = frames.timeline()
        times = target_times(
            sampling, duration_s=duration_s, frame_count=len(starts), keyframe_times=starts
        )
        wanted = sorted({max(0, bisect.bisect_right(starts, time) - 1) for time in times})
        pixels, source = frames.pixels(wanted, max_frame_pixels)
    return Frames(
        kind=MediaKind.VIDEO,
        pixels=b"".join(one.data.cast("B") for one in pixels),
        shapes=tuple(one.shape[:2] for one in pixels),
        pts_s=tuple(starts[number] for number in wanted),
        source_width=source[0],
        source_height=source[1],
        duration_s=duration_s,
        source_format=kind.name,
        cues=cues,
    )


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
        now = 0.0
        for number in self._frames():
            if number == MAX_FRAMES:
                raise _refused(
                    FailureCode.TOO_LARGE,
                    f"the {self._kind.name} has more than the {MAX_FRAMES:,} frames that are "
                    "played; take it as an image, or recode it as a video",
                )
            starts.append(now)
            now += self._lasts_s()
        if len(starts) < 2 and self._kind.name != "gif":
            raise _refused(
                FailureCode.NOT_MEDIA,
                f"taken as a video, but the content is a still {self._kind.name}; correct "
                "the file's suffix, or the input's `kind`",
            )
        return starts, now

    def _lasts_s(self) -> float:
        if self._image.format in ("WEBP", "AVIF"):
            self._image.load()  # Only then do they say.
        seconds = float(self._image.info.get("duration", 0)) / 1000
        return seconds if seconds > _SHORTEST_S else _INSTEAD_S

    def pixels(
        self, wanted: list[int], max_frame_pixels: int
    ) -> tuple[list[np.ndarray], tuple[int, int]]:
        """The frames of these numbers, each (h, w, 3), and the size as shown of the first."""
        taken: list[np.ndarray] = []
        sizes: list[tuple[int, int]] = []
        left = set(wanted)
        for number in self._frames():
            if number in left:
                pixels, size = rendered(self._image, max_frame_pixels)
                taken.append(pixels)
                sizes.append(size)
                left.discard(number)
            if not left:
                break
        return taken, sizes[0]


def _refused(code: FailureCode, message: str) -> ItemFailure:
    return ItemFailure(Stage.DECODE, code, message)
