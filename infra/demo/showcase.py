"""``python -m infra.demo.showcase``: draw the README's pictures, small, from the catalogue."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

from PIL import Image

from infra.demo.catalogue import Clip, Picture, catalogue_of
from infra.demo.drawing import draw_frame, draw_scene, hand_held

FOLDER = Path(__file__).parent / "pictures"
SHOWN = (
    "photos/item-0002.jpg",
    "photos/item-0003.jpg",
    "photos/item-0036.webp",
    "photos/item-0040.jpg",
    "films/film-02.mp4",
)
"""Names in the demo's catalogue."""

WIDTH = 160
FRAMES = 8
"""As many of a film as the demo's model is shown."""

FRAME_WIDTH = 80


def main() -> int:
    """Write them; returns the exit code."""
    FOLDER.mkdir(exist_ok=True)
    for name, picture in pictures().items():
        picture.save(FOLDER / name, optimize=True)
        print(FOLDER / name)
    return 0


def pictures() -> dict[str, Image.Image]:
    """By file name: a picture as it is, but small and without noise; of a film some frames."""
    items = {item.name: item for item in catalogue_of()}
    return {f"{Path(name).stem}.png": _drawn(items[name]) for name in SHOWN}


def _drawn(item: Picture | Clip) -> Image.Image:
    if isinstance(item, Clip):
        return _frames(item)
    camera = replace(hand_held(item.seed), noise=0.0, blur=0.0)
    return draw_scene(item.scene, WIDTH, WIDTH * item.height // item.width, camera=camera)


def _frames(clip: Clip) -> Image.Image:
    """Frames from all over a film, side by side."""
    height = FRAME_WIDTH * clip.height // clip.width
    strip = Image.new("RGB", (FRAMES * FRAME_WIDTH, height))
    for number in range(FRAMES):
        at = clip.film.duration_s * (2 * number + 1) / (2 * FRAMES)
        frame = draw_frame(clip.film, at, FRAME_WIDTH, height)
        strip.paste(frame, (number * FRAME_WIDTH, 0))
    return strip


if __name__ == "__main__":
    sys.exit(main())
