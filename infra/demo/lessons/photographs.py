"""Drawn pictures as lessons show them."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace

from infra.demo.drawing import arranged, draw_scene, hand_held
from infra.demo.lessons.lesson import Marks, Shown
from infra.demo.world.scene import Scene, face_of, scene_of
from schemas.media import MediaKind


@dataclass(frozen=True)
class Sizes:
    """How large lessons' pictures are, from thumbnails to many slices.

    Attributes:
        slice_area: Pixels of one slice.
        most_slices: Of a picture.
        sliced: The share of groups whose pictures are cut into slices. Within a group all are
            alike, so that none waits for a longer one.
    """

    slice_area: int
    most_slices: int
    sliced: float

    def for_group(self, rng: random.Random) -> Sizes:
        """Those of one group: all of its pictures are sliced, or none is."""
        return replace(self, sliced=float(rng.random() < self.sliced))

    def of(self, rng: random.Random, shape: float | None = None) -> tuple[int, int]:
        """Width and height of a picture, of a shape (width by height) or of any."""
        low, high = (1.1, self.most_slices) if rng.random() < self.sliced else (0.35, 1.0)
        return sides(rng, self.slice_area * rng.uniform(low, high), shape)


SHAPES = (1.0, 1.0, 4 / 3, 3 / 4, 3 / 2, 2 / 3, 16 / 9, 9 / 16)
"""Width by height."""


def sides(rng: random.Random, area: float, shape: float | None = None) -> tuple[int, int]:
    """Width and height of so many pixels, of a shape or of any of `SHAPES`."""
    shape = shape or rng.choice(SHAPES)
    width = round((area * shape) ** 0.5)
    return width, round(width / shape)


def photographed(
    scenes: Sequence[Scene], seeds: Sequence[int], sizes: Sequence[tuple[int, int]]
) -> Shown:
    """Scenes as a hand-held camera takes them, one picture each."""
    cameras = [hand_held(seed) for seed in seeds]
    taken = list(zip(scenes, cameras, sizes, strict=True))
    return Shown(
        MediaKind.IMAGES if len(scenes) > 1 else MediaKind.IMAGE,
        tuple(draw_scene(scene, *size, camera=camera) for scene, camera, size in taken),
        tuple(Marks(tuple(arranged(s, camera)), s.background) for s, camera, _ in taken),
    )


def one_picture(scene: Scene, seed: int, rng: random.Random, sizes: Sizes) -> Shown:
    """A scene's picture."""
    return photographed([scene], [seed], [sizes.of(rng)])


def several_pictures(
    scenes: Sequence[Scene], seed: int, rng: random.Random, sizes: Sizes
) -> Shown:
    """The pictures of scenes that belong together."""
    drawn = [sizes.of(rng) for _ in scenes]
    return photographed(scenes, [seed * 8 + n for n in range(len(scenes))], drawn)


def any_scene(seed: int) -> Scene:
    """A scene of things; every eighth has a face."""
    return face_of(seed) if random.Random(seed).random() < 0.125 else scene_of(seed)
