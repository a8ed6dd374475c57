"""Small long videos, drawn and encoded in little time."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np

FPS = 5
SIZE = (480, 270)


def film(path: Path, seconds: int) -> None:
    """Shots of 7 to 60 seconds in which something moves over a coloured ground."""
    chance = np.random.default_rng(seconds)
    width, height = SIZE
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=FPS)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        stream.options = {"preset": "ultrafast"}
        left = seconds * FPS
        while left:
            length = min(left, int(chance.integers(7, 60)) * FPS)
            ground = np.empty((height, width, 3), np.uint8)
            ground[:] = chance.integers(20, 236, 3)
            for place in range(length):
                picture = ground.copy()
                start = 4 * place % (width - 60)
                picture[100:160, start : start + 60] = 255 - ground[0, 0]
                for packet in stream.encode(av.VideoFrame.from_ndarray(picture)):
                    container.mux(packet)
            left -= length
        for packet in stream.encode():
            container.mux(packet)
