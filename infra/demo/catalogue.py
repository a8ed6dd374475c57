"""The demo's catalogue: pictures and films of products, drawn and encoded by code.

::

    python -m infra.demo.catalogue --out DIR
    python -m infra.demo.catalogue upload --out DIR --endpoint-url URL --bucket NAME

The first writes the media under ``DIR/media`` and what is to be seen in each, the ground
truth, to ``DIR/truth.jsonl``.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from infra.demo.drawing import draw_frame, draw_scene, hand_held
from infra.demo.encoding import ImageFile, encode_image, encode_video
from infra.demo.world.film import Film, film_of
from infra.demo.world.scene import Scene, face_of, scene_of
from infra.demo.world.seeds import DEMO_SEEDS
from schemas.failure import UsageError

CATALOGUE_VERSION = 3
"""Raise it when the same seed would give other files: those on disk are then redrawn."""

SEEDS_PER_CATALOGUE = 1000
FPS = 12

PICTURE_SIZES = (
    (64, 64),
    (96, 128),
    (200, 150),
    (256, 256),
    (320, 480),
    (448, 448),
    (640, 480),
    (600, 900),
    (800, 800),
    (1024, 683),
    (768, 1152),
    (1280, 960),
)
FILM_SIZES = ((320, 240), (432, 240), (240, 432), (320, 320), (480, 270), (640, 360))

_FORMATS = (
    ImageFile("jpeg"),
    ImageFile("png"),
    ImageFile("webp"),
    ImageFile("jpeg", progressive=True),
)
_EVERY_PORTRAIT = 10
_MOST_SHOTS = 3
"""Of a film; the demo's job looks at eight frames."""


@dataclass(frozen=True)
class Picture:
    """One image of the catalogue: its name, seed, size as shown, and file.

    Attributes:
        name: Its path below the catalogue's root.
        seed: Of what it shows.
        width: Pixels.
        height: Pixels.
        how: The file.
        portrait: Whether it shows a face.
    """

    name: str
    seed: int
    width: int
    height: int
    how: ImageFile
    portrait: bool = False

    @property
    def scene(self) -> Scene:
        """What it shows."""
        return face_of(self.seed) if self.portrait else scene_of(self.seed)

    def encode(self) -> bytes:
        """The file's bytes."""
        transparent = self.how.mode == "RGBA"
        image = draw_scene(
            self.scene,
            self.width,
            self.height,
            transparent=transparent,
            camera=hand_held(self.seed),
        )
        return encode_image(image, self.how)

    def truth(self) -> dict[str, Any]:
        """The ground truth; a transparent picture is seen on white."""
        scene = self.scene
        if self.how.mode == "RGBA":
            scene = replace(scene, background="white")
        return {
            "path": self.name,
            "kind": "image",
            "seed": self.seed,
            "width": self.width,
            "height": self.height,
            "format": self.how.format,
            "caption": scene.caption,
            "tags": list(scene.tags),
            "background": scene.background,
            "things": [asdict(thing) for thing in scene.things],
            "face": scene.face and asdict(scene.face),
        }


@dataclass(frozen=True)
class Clip:
    """One video of the catalogue."""

    name: str
    seed: int
    width: int
    height: int
    shots: int

    @property
    def film(self) -> Film:
        """What it shows."""
        return film_of(self.seed, self.shots)

    def encode(self) -> bytes:
        """The file's bytes."""
        film = self.film
        count = round(film.duration_s * FPS)
        frames = (draw_frame(film, n / FPS, self.width, self.height) for n in range(count))
        return encode_video(frames, self.width, self.height, FPS)

    def truth(self) -> dict[str, Any]:
        """The ground truth, with the second of every cut and event."""
        return {
            "path": self.name,
            "kind": "video",
            "seed": self.seed,
            "width": self.width,
            "height": self.height,
            "format": "mp4",
            "duration_s": self.film.duration_s,
            "tags": list(self.film.tags),
            "shots": [
                {
                    "start_s": shot.start_s,
                    "end_s": shot.end_s,
                    "sentence": shot.sentence,
                    "background": shot.background,
                    "before": shot.before and asdict(shot.before),
                    "event": asdict(shot.event),
                }
                for shot in self.film.shots
            ],
        }


def catalogue_of(number: int = 0) -> list[Picture | Clip]:
    """What is in a catalogue: 54 pictures and 6 films.

    Args:
        number: 0 to 999; each catalogue has seeds of its own among `DEMO_SEEDS`.

    Raises:
        UsageError: If there is no such catalogue.
    """
    count = len(DEMO_SEEDS) // SEEDS_PER_CATALOGUE
    if not 0 <= number < count:
        raise UsageError(f"there is no catalogue {number}; choose 0 to {count - 1}")
    seeds = iter(DEMO_SEEDS[number * SEEDS_PER_CATALOGUE :])
    return [*_pictures(seeds), *_films(seeds)]


def _pictures(seeds: Iterator[int]) -> Iterator[Picture]:
    shapes = [(size, how) for how in _FORMATS for size in PICTURE_SIZES]
    odd = [
        ((720, 960), ImageFile("jpeg", turned=True)),
        ((640, 640), ImageFile("jpeg", mode="CMYK")),
        ((512, 512), ImageFile("png", mode="RGBA")),
        ((400, 300), ImageFile("png", mode="P")),
        ((4000, 3000), ImageFile("jpeg")),
        ((3000, 4000), ImageFile("jpeg", progressive=True)),
    ]
    for index, ((width, height), how) in enumerate([*shapes, *odd], start=1):
        name = f"photos/item-{index:04}{how.suffix}"
        portrait = index % _EVERY_PORTRAIT == 0
        yield Picture(name, next(seeds), width, height, how, portrait)


def _films(seeds: Iterator[int]) -> Iterator[Clip]:
    for index, (width, height) in enumerate(FILM_SIZES, start=1):
        shots = 1 + index % _MOST_SHOTS
        yield Clip(f"films/film-{index:02}.mp4", next(seeds), width, height, shots)


def draw_catalogue(
    out: Path, number: int = 0, on_item: Callable[[int, int], None] | None = None
) -> bool:
    """Have the catalogue in a folder; files of an unfinished or older one are replaced.

    Args:
        out: Gets ``media/`` and ``truth.jsonl``.
        number: Which catalogue.
        on_item: Told after each file how many are done, and of how many.

    Returns:
        Whether it had to be drawn.
    """
    items = catalogue_of(number)
    lines = [json.dumps(item.truth(), ensure_ascii=False) for item in items]
    truth = "\n".join([*lines, ""])
    stamp, wanted = out / "catalogue.json", {"version": CATALOGUE_VERSION, "number": number}
    complete = all((out / "media" / item.name).is_file() for item in items)
    if complete and stamp.is_file() and json.loads(stamp.read_text()) == wanted:
        return False
    stamp.unlink(missing_ok=True)
    for done, item in enumerate(items, start=1):
        path = out / "media" / item.name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(item.encode())
        if on_item:
            on_item(done, len(items))
    (out / "truth.jsonl").write_text(truth, encoding="utf-8")
    stamp.write_text(json.dumps(wanted))
    return True


if __name__ == "__main__":
    import sys

    from infra.demo.catalogue_cli import main

    sys.exit(main(sys.argv[1:]))
