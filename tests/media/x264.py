"""H.264 videos of many kinds, whose frames cannot be foretold from each other."""

from __future__ import annotations

import functools
import io
import random
from dataclasses import dataclass, field

import av
import numpy as np
from PIL import Image

FPS = 25
_WIDTH, _HEIGHT = 112, 80


@dataclass(frozen=True)
class Making:
    """How a video is made.

    Attributes:
        container: PyAV's name of the muxer.
        pix_fmt: Pixel format of the encoder.
        preset: Of libx264.
        params: Of libx264.
        frames: How many.
        crf: Of libx264.
    """

    container: str = "mp4"
    pix_fmt: str = "yuv420p"
    preset: str = "veryfast"
    params: dict[str, int | str] = field(default_factory=dict)
    frames: int = 110
    crf: int = 28


def make(making: Making) -> bytes:
    """A file's bytes."""
    file = io.BytesIO()
    params = ":".join(f"{name}={value}" for name, value in making.params.items())
    options = {"preset": making.preset, "crf": str(making.crf), "x264-params": params}
    with av.open(file, "w", format=making.container) as container:
        stream = container.add_stream("libx264", rate=FPS, options=options)
        stream.width, stream.height, stream.pix_fmt = _WIDTH, _HEIGHT, making.pix_fmt
        stream.codec_context.thread_count = 1
        for number in range(making.frames):
            frame = av.VideoFrame.from_ndarray(_draw(number))
            frame.pts = number
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return file.getvalue()


def chosen(seed: int) -> Making:
    """One of very many ways to make a video."""
    chance = random.Random(seed)
    one_of = chance.choice
    params: dict[str, int | str] = {
        "ref": one_of([1, 1, 1, 2, 3, 8]),
        "bframes": one_of([0, 1, 2, 3, 3, 4, 5, 8]),
        "b-pyramid": one_of(["none", "strict", "strict", "normal", "normal"]),
        "b-adapt": one_of([0, 0, 1, 2]),
        "weightp": one_of([0, 1, 2]),
        "weightb": one_of([0, 1]),
        "direct": one_of(["none", "spatial", "temporal", "auto"]),
        "open-gop": one_of([0, 0, 0, 1]),
        "keyint": one_of([24, 48, 250, 250]),
        "min-keyint": one_of([1, 5]),
        "scenecut": one_of([0, 0, 40]),
        "slices": one_of([1, 1, 3]),
        "cabac": one_of([0, 1, 1]),
        "interlaced": one_of([0] * 9 + [1]),
        "intra-refresh": one_of([0] * 9 + [1]),
        "no-deblock": one_of([0, 0, 1]),
        "constrained-intra": one_of([0, 0, 1]),
        "aud": one_of([0, 1]),
    }
    container = one_of(["mp4", "mp4", "matroska", "mpegts"])
    if container == "mpegts":
        params["repeat-headers"] = 1
    return Making(
        container,
        one_of(["yuv420p", "yuv420p", "yuv422p", "yuv444p", "yuv420p10le"]),
        one_of(["ultrafast", "veryfast", "medium", "slower"]),
        params,
        crf=one_of([18, 28, 35]),
    )


@functools.cache
def _ground() -> np.ndarray:
    grid = np.random.default_rng(0).integers(0, 256, (40, 60)).astype(np.uint8)
    smooth = Image.fromarray(grid).resize((640, 480), Image.Resampling.BICUBIC)
    return np.asarray(smooth).astype(np.int16)


def _draw(number: int) -> np.ndarray:
    """An RGB frame of a view that moves, turns into its negative at times, and has noise."""
    left, top = (
        int(60 + 50 * swing) for swing in (np.sin(number * 0.13), np.cos(number * 0.17))
    )
    light = _ground()[top : top + _HEIGHT, left : left + _WIDTH]
    light = light + np.random.default_rng(number).integers(-2, 3, light.shape)
    light = np.clip(255 - light if number % 37 > 30 else light, 0, 255).astype(np.uint8)
    return np.stack([light, np.roll(light, 5, axis=1), 255 - light], axis=2)
