"""Items that can be told from one another, and rows that can be held against them."""

from __future__ import annotations

import hashlib
import io
from typing import Any, Protocol

import numpy as np
from PIL import Image

from infra.demo.drawing import draw_scene
from infra.demo.encoding import ImageFile, encode_image
from infra.demo.world.scene import Scene, scene_of
from infra.demo.world.seeds import TEST_SEEDS

SIDE = 512
BLOCKS = 8
SCENE_SIDE = 140


class Pictures(Protocol):
    """The media of one harness."""

    tables: dict[str, str]
    """The result table of each task."""

    tasks: list[Any]
    """As in a job file."""

    max_pixels: int
    """To which the job shrinks pictures; none of these is larger."""

    def names(self) -> list[str]:
        """The files' names."""

    def files(self) -> dict[str, bytes]:
        """Every picture by the name of its file."""

    def belongs(self, table: str, row: dict[str, Any]) -> bool:
        """Whether a row tells of the picture that it names."""


class Mosaics:
    """Drawn for the fake engine, whose answers begin with a digest of the pixels.

    They are large when decoded, so that a small object store holds few and decoding goes
    on all along a run, and small in the bucket.

    Args:
        count: How many.
    """

    def __init__(self, count: int) -> None:
        self.tables = {"caption": "captions", "vqa": "answers"}
        self.tasks = ["caption", {"task": "vqa", "questions": ["What is it made of?"]}]
        self.max_pixels = SIDE * SIDE
        self._pixels = {f"{number:05}.png": number for number in range(count)}

    def names(self) -> list[str]:
        """See `Pictures.names`."""
        return list(self._pixels)

    def files(self) -> dict[str, bytes]:
        """See `Pictures.files`."""
        return {name: _png(_mosaic(number)) for name, number in self._pixels.items()}

    def belongs(self, table: str, row: dict[str, Any]) -> bool:
        """See `Pictures.belongs`."""
        name = row["item_id"].rsplit("/", 1)[1]
        said = row["caption"] if table == "captions" else row["answers"][0]["answer"]
        return said.startswith(_digest(_mosaic(self._pixels[name])))


def _mosaic(number: int) -> np.ndarray:
    colours = np.random.default_rng(number).integers(0, 256, (BLOCKS, BLOCKS, 3), np.uint8)
    return np.kron(colours, np.ones((SIDE // BLOCKS, SIDE // BLOCKS, 1), np.uint8))


def _png(pixels: np.ndarray) -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "png", compress_level=1)
    return file.getvalue()


def _digest(pixels: np.ndarray) -> str:
    """As the fake engine's answers begin, worked out from what was drawn."""
    return hashlib.sha256(repr((pixels.shape[:2],)).encode() + pixels.tobytes()).hexdigest()[:8]


class Scenes:
    """Drawn for the demo's model, which says what they show; no two have one caption.

    Args:
        count: How many.
    """

    def __init__(self, count: int) -> None:
        self.tables = {"caption": "captions"}
        self.tasks = ["caption"]
        self.max_pixels = SCENE_SIDE * SCENE_SIDE
        by_caption: dict[str, Scene] = {}
        for seed in TEST_SEEDS[300_000:]:
            scene = scene_of(seed)
            by_caption.setdefault(scene.caption, scene)
            if len(by_caption) == count:
                break
        self._scenes = {f"{n:05}.jpg": scene for n, scene in enumerate(by_caption.values())}
        self._owners = {scene.caption: name for name, scene in self._scenes.items()}

    def names(self) -> list[str]:
        """See `Pictures.names`."""
        return list(self._scenes)

    def files(self) -> dict[str, bytes]:
        """See `Pictures.files`."""
        return {
            name: encode_image(draw_scene(scene, SCENE_SIDE, SCENE_SIDE), ImageFile("jpeg"))
            for name, scene in self._scenes.items()
        }

    def belongs(self, table: str, row: dict[str, Any]) -> bool:
        """See `Pictures.belongs`; what is wrong may be misseen, but is nobody else's."""
        name = row["item_id"].rsplit("/", 1)[1]
        return self._owners.get(row["caption"], name) == name
