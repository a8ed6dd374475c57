"""Long videos made by code: what moves and flickers as a camera's picture does, and is cheap.

A view pans in half pixels over a textured ground, pieces of it move on their own, and every
frame has fresh noise, so that the video has the bitrate and the motion of a real one.
"""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path

import av
import numpy as np
from PIL import Image

from tests.bench.media.numbers import draw_number

WIDTH, HEIGHT, FPS = 1280, 720, 25
_DRAWING = 1
"""Raise it when films are drawn differently, so that none kept is taken for a new one."""

_SPRITES = 6
_NOISES = 4
_ROOM = 64


@dataclass(frozen=True)
class Film:
    """How a film is made.

    Attributes:
        seconds: Its length.
        gop: Frames from keyframe to keyframe.
        preset: Of libx264; its B-frames are as the preset has them.
        crf: Of libx264.
        noise: Standard deviation of the noise, in levels of 0 to 255.
    """

    seconds: int
    gop: int
    preset: str = "veryfast"
    crf: int = 23
    noise: float = 3.0

    @property
    def frames(self) -> int:
        """How many."""
        return self.seconds * FPS

    @property
    def name(self) -> str:
        """A file name that is another one as soon as anything is made differently."""
        made = json.dumps([asdict(self), _DRAWING, WIDTH, HEIGHT, FPS], sort_keys=True)
        digest = hashlib.sha256(made.encode()).hexdigest()[:12]
        return f"film-{self.seconds}s-gop{self.gop}-{digest}.mp4"


def ensure_film(film: Film, folder: Path) -> Path:
    """The film's file in this folder, made if it is absent."""
    path = folder / film.name
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        unfinished = path.with_suffix(f".{os.getpid()}.part")
        encode(film, unfinished)
        unfinished.replace(path)
    return path


def encode(film: Film, path: Path) -> None:
    """Draw and encode a film as an MP4 of H.264."""
    scene = Scene(film.noise)
    options = {
        "preset": film.preset,
        "crf": str(film.crf),
        "x264-params": "scenecut=0",
        "g": str(film.gop),
    }
    with av.open(str(path), "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=FPS, options=options)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        stream.codec_context.thread_count = 1
        for number in range(film.frames):
            frame = av.VideoFrame.from_ndarray(scene.draw(number), format="yuv420p")
            frame.pts = number
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


class Scene:
    """What the camera sees.

    Args:
        noise: Standard deviation of the noise, in levels of 0 to 255.
    """

    def __init__(self, noise: float) -> None:
        chance = np.random.default_rng(0)
        size = (4 * WIDTH, 4 * HEIGHT)
        light = _smooth(chance, (24, 40), 70, 180, size)
        coarse = _smooth(chance, (HEIGHT // 4, WIDTH // 4), 0, 40, size) - 20
        fine = _smooth(chance, (4 * HEIGHT // 5, 4 * WIDTH // 5), 0, 20, size) - 10
        where_fine = _smooth(chance, (12, 20), 0, 256, size)
        ground = light + coarse + fine * where_fine // 255
        self._ground = np.clip(ground, 40, 215).astype(np.uint8)
        half = (2 * WIDTH, 2 * HEIGHT)
        self._tints = [
            _smooth(chance, (24, 40), 90, 166, half).astype(np.uint8) for _ in range(2)
        ]
        shape = (HEIGHT + _ROOM, WIDTH + _ROOM)
        # Added modulo 256: the ground leaves enough room above and below.
        self._noises = [
            np.rint(chance.normal(0, noise, shape)).clip(-20, 20).astype(np.int8).view(np.uint8)
            for _ in range(_NOISES)
        ]

    def draw(self, number: int) -> np.ndarray:
        """A frame and its number: (1080, 1280), the three planes of yuv420p."""
        second = number / FPS
        x = _swing(0.11 * second, 2 * WIDTH)
        y = _swing(0.13 * second + 1.6, 2 * HEIGHT)
        frame = np.empty((HEIGHT * 3 // 2, WIDTH), np.uint8)
        luma, chroma = frame[:HEIGHT], frame[HEIGHT:].reshape(2, HEIGHT // 2, WIDTH // 2)
        luma[...] = self._ground[y : y + 2 * HEIGHT : 2, x : x + 2 * WIDTH : 2]
        for plane, tint in zip(chroma, self._tints, strict=True):
            top, left = y // 2, x // 2
            plane[...] = tint[top : top + HEIGHT // 2, left : left + WIDTH // 2]
        self._draw_sprites(luma, second)
        down, right = np.random.default_rng(number).integers(0, _ROOM, 2)
        luma += self._noises[number % _NOISES][down : down + HEIGHT, right : right + WIDTH]
        draw_number(luma, number)
        return frame

    def _draw_sprites(self, luma: np.ndarray, second: float) -> None:
        for n in range(_SPRITES):
            width, height = 100 + 40 * n, 80 + 25 * n
            left = _swing(second * (0.5 + 0.17 * n) + n, WIDTH - width)
            top = _swing(second * (0.4 + 0.13 * n) + 2 * n, HEIGHT - height)
            piece = self._ground[200 * n : 200 * n + height, 300 * n : 300 * n + width]
            luma[top : top + height, left : left + width] = piece


def _swing(phase: float, width: int) -> int:
    return int((0.5 + 0.5 * np.sin(phase)) * width)


def _smooth(
    chance: np.random.Generator,
    shape: tuple[int, int],
    low: int,
    high: int,
    size: tuple[int, int],
) -> np.ndarray:
    """Random levels on a grid, drawn out smoothly to (width, height)."""
    grid = Image.fromarray(chance.integers(low, high, shape).astype(np.uint8))
    return np.asarray(grid.resize(size, Image.Resampling.BICUBIC)).astype(np.int16)
