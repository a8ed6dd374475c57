"""The five parts of the benchmark: what is asked in each, and of whom."""

from __future__ import annotations

import io
import os
from collections.abc import Mapping
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from tests.bench.media import judging
from tests.bench.media.contest import Results, contend
from tests.bench.media.environments import Interpreter
from tests.bench.media.film import FPS, Film, ensure_film
from tests.bench.media.numbers import read_number
from tests.bench.media.roster import CHECKED, EXACT, FLOOR, IMAGES, PILLOW, SNAPPED
from tests.bench.media.tasks import Case, Task
from tests.bench.photographs import TWELVE_MP, PhotoSet, jpegs
from tests.media.clips import CLIPS, HEIGHT, WIDTH, Clip, make
from tests.media.clips import read_number as read_clip_number

FRAME_SIZE = (448, 252)
IMAGE_SIZE = (1344, 1008)
LONG_GOP, SHORT_GOP = 250, 48

TRICKY = {
    "h264 open gop": CLIPS["h264 open gop"],
    "hevc open gop": CLIPS["hevc open gop"],
    "h264 8 b-frames": Clip(
        options={"x264-params": "bframes=8:b-adapt=0:scenecut=0", "preset": "veryfast"},
        gop=48,
    ),
    "av1": CLIPS["av1 mp4"],
    "vp9": CLIPS["vp9 webm"],
}
"""Short clips on which decoders are known to give other frames than they were asked for."""

_SAMPLINGS = (5, 12, 33)


@dataclass(frozen=True)
class Scale:
    """How large the benchmark is.

    Attributes:
        film_s: Length of the long videos, seconds.
        frames: Wanted of each.
        photographs: How many are decoded in one run.
        photo: Their size.
        runs: Of everybody.
        parallel: How many videos are decoded at once in the last part.
        frames_in_parallel: Wanted of each of those; so many that most lie between keyframes.
    """

    film_s: int = 600
    frames: int = 64
    photographs: int = 6
    photo: PhotoSet = TWELVE_MP
    runs: int = 3
    parallel: tuple[int, ...] = (2, 4, 8)
    frames_in_parallel: int = 7


FULL = Scale()
QUICK = Scale(film_s=40, frames=8, photographs=2, runs=1, parallel=(2, 4), frames_in_parallel=3)


class Media:
    """The files that are decoded, made once and kept.

    Args:
        folder: Where they are kept.
        scale: How long and how many they are.
    """

    def __init__(self, folder: Path, scale: Scale) -> None:
        self._folder = folder
        self._scale = scale
        self._films = {gop: Film(scale.film_s, gop) for gop in (LONG_GOP, SHORT_GOP)}
        films = self._films.values()
        with ProcessPoolExecutor(len(films)) as pool:
            list(pool.map(ensure_film, films, [folder] * len(films)))
        self.warm_up = (self.clip_case("h264", CLIPS["h264"], 5),)

    def film_case(self, gop: int, count: int) -> Case:
        """Evenly spread frames of a long video."""
        film = self._films[gop]
        keys = tuple(range(0, film.frames, gop))
        path = str(self._folder / film.name)
        return Case(path, *FRAME_SIZE, middles(film.frames, count), FPS, keys)

    def bits_per_s(self, gop: int) -> float:
        """Of a long video."""
        film = self._films[gop]
        return (self._folder / film.name).stat().st_size * 8 / film.seconds

    def clip_case(self, name: str, clip: Clip, count: int) -> Case:
        """Evenly spread frames of a short clip."""
        path = self._folder / f"{name.replace(' ', '-')}.{clip.container}"
        if not path.exists():
            path.write_bytes(make(clip))
        return Case(str(path), WIDTH, HEIGHT, middles(clip.frames, count), clip.fps)

    def photographs(self) -> list[Case]:
        """Photographs, no two alike."""
        photo, number = self._scale.photo, self._scale.photographs
        paths = [self._folder / f"{photo.name}-{n}.jpeg" for n in range(number)]
        if not all(path.exists() for path in paths):
            for path, data in zip(paths, jpegs(photo, number), strict=True):
                path.write_bytes(data)
        return [Case(str(path), *IMAGE_SIZE) for path in paths]


def middles(frames: int, count: int) -> tuple[int, ...]:
    """The frames on screen at the middles of equal parts of a video."""
    return tuple(frames * (2 * n + 1) // (2 * count) for n in range(count))


def exact_sampling(
    media: Media, gop: int, scale: Scale, interpreters: Mapping[str, Interpreter]
) -> Results:
    """Part 1: the frames at evenly spread moments of a long video."""
    case = media.film_case(gop, scale.frames)
    return contend(
        f"exact, GOP {gop}",
        EXACT,
        interpreters,
        lambda contender: Task(contender.way, (case,), media.warm_up),
        judging.exact([case], read_number),
        scale.runs,
    )


def snapped_sampling(
    media: Media, gop: int, scale: Scale, interpreters: Mapping[str, Interpreter]
) -> Results:
    """Part 2: the keyframes nearest to such moments, or as near as a contender's way leads."""
    case, small = media.film_case(gop, scale.frames), media.film_case(gop, 2)
    return contend(
        f"snapped, GOP {gop}",
        SNAPPED,
        interpreters,
        lambda contender: Task(contender.way, (case,), (small,)),
        judging.snapped(case, read_number),
        scale.runs,
        measure={FLOOR},
    )


def exactness(media: Media, interpreters: Mapping[str, Interpreter]) -> dict[str, Results]:
    """Part 3: frames of short clips that are easily mistaken, by the clip's name."""

    def of_clip(name: str) -> Results:
        cases = tuple(media.clip_case(name, TRICKY[name], count) for count in _SAMPLINGS)
        return contend(
            name,
            CHECKED,
            interpreters,
            lambda contender: Task(contender.way, cases),
            judging.exact(cases, read_clip_number),
            runs=1,
        )

    # Nobody's speed is looked at here.
    with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        return dict(zip(TRICKY, pool.map(of_clip, TRICKY), strict=True))


def images(media: Media, scale: Scale, interpreters: Mapping[str, Interpreter]) -> Results:
    """Part 4: photographs, shrunk."""
    cases = tuple(media.photographs())
    return contend(
        "images",
        IMAGES,
        interpreters,
        lambda contender: Task(contender.way, cases, cases),
        judging.alike([reference(case) for case in cases]),
        scale.runs,
        measure={PILLOW},
    )


def reference(case: Case) -> np.ndarray:
    """A photograph decoded whole and shrunk with Lanczos: (1, h, w, 3)."""
    whole = Image.open(io.BytesIO(Path(case.path).read_bytes())).convert("RGB")
    small = whole.resize((case.width, case.height), Image.Resampling.LANCZOS)
    return np.asarray(small)[None]
