"""What is measured: four jobs, and the items of each."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from infra.demo.catalogue import FILM_SIZES, FPS, PICTURE_SIZES
from infra.demo.drawing import draw_frame, draw_scene, hand_held
from infra.demo.encoding import ImageFile, encode_image, encode_video
from infra.demo.lessons.of_one_picture import WORDS
from infra.demo.world.film import Film, film_of
from infra.demo.world.scene import Scene, face_of, scene_of
from infra.demo.world.series import Offer, Pair, Series, offer_of, pair_of, series_of
from infra.demo.world.vocabulary import COLOURS, PATTERNS, PRODUCTS

MOST_SHOTS = 3
FRAMES = 8


@dataclass(frozen=True)
class Item:
    """One thing to annotate, and the truth about it.

    Attributes:
        id: Begins with what it is, such as ``scene2-7500000``.
        truth: A scene, pair, series, offer or film.
        media: The files' contents by name.
        columns: What comes with it.
    """

    id: str
    truth: Scene | Pair | Series | Offer | Film
    media: dict[str, bytes]
    columns: dict[str, Any]


@dataclass(frozen=True)
class Part:
    """One job.

    Attributes:
        name: Of its folder and job file.
        tasks: As in a job file.
        items: Those of one seed.
    """

    name: str
    tasks: Sequence[dict[str, Any]]
    items: Callable[[int], Iterator[Item]]
    kind: str

    def prepare(self, folder: Path, seeds: Sequence[int]) -> dict[str, Item]:
        """Write the media and the manifest; answers the items by id."""
        media = folder / self.name
        media.mkdir(parents=True, exist_ok=True)
        items: dict[str, Item] = {}
        with open(folder / f"{self.name}.jsonl", "w", encoding="utf-8") as manifest:
            for seed in seeds:
                for item in self.items(seed):
                    for name, data in item.media.items():
                        (media / name).write_bytes(data)
                    row = {"id": item.id, "media": list(item.media), **item.columns}
                    manifest.write(json.dumps(row) + "\n")
                    items[item.id] = item
        return items

    def job(self, folder: Path, model: Path) -> dict[str, Any]:
        """Its job file's content."""
        return {
            "name": f"evaluation-{self.name}",
            "input": {
                "manifest": {
                    "uris": str(folder / f"{self.name}.jsonl"),
                    "id": "id",
                    "media": "media",
                    "base": str(folder / self.name),
                    "kind": self.kind,
                }
            },
            "model": {"path": str(model)},
            "tasks": list(self.tasks),
            "media": {"video": {"policy": "uniform", "max_frames": FRAMES}},
            "output": {"uri": str(folder / f"{self.name}-out")},
        }


QUESTIONS: tuple[tuple[dict[str, Any], ...], ...] = (
    (
        {"question": "How many things are there?", "type": "number"},
        *({"question": f"Is there a {one}?", "type": "yes_no"} for one in PRODUCTS[:3]),
    ),
    (
        {"question": "Is anything striped?", "type": "yes_no"},
        {"question": "Is anything dotted?", "type": "yes_no"},
        {"question": "Is there a star?", "type": "yes_no"},
        {"question": "How many large things are there?", "type": "number"},
    ),
    (
        *({"question": f"Is anything {one}?", "type": "yes_no"} for one in ("red", "blue")),
        {"question": "Is there a clock?", "type": "yes_no"},
        {"question": "How many small things are there?", "type": "number"},
    ),
)
"""Of yes or no, and of counts; each line is asked in one request."""

CATEGORIES = {
    product: {
        "colour": list(COLOURS),
        "pattern": list(PATTERNS),
        "striped": "yes_no",
        "material": "text",
    }
    for product in PRODUCTS
}


def _pictures(seed: int) -> Iterator[Item]:
    for count in (1, 2, 3):
        yield _picture(f"scene{count}-{seed}", scene_of(seed, count), seed)
    yield _picture(f"face-{seed}", face_of(seed), seed)


def _picture(id_: str, scene: Scene, seed: int) -> Item:
    return Item(id_, scene, _files(id_, [scene], seed), {})


def _several(seed: int) -> Iterator[Item]:
    pair, series = pair_of(seed), series_of(seed)
    yield Item(
        f"pair-{seed}", pair, _files(f"pair-{seed}", (pair.first, pair.second), seed), {}
    )
    yield Item(f"series-{seed}", series, _files(f"series-{seed}", series.scenes, seed), {})


def _offers(seed: int) -> Iterator[Item]:
    offer = offer_of(seed)
    said = {"title": offer.title, "description": offer.description}
    yield Item(f"offer-{seed}", offer, _files(f"offer-{seed}", offer.photographs, seed), said)


def _films(seed: int) -> Iterator[Item]:
    film = film_of(seed, 1 + seed % MOST_SHOTS)
    width, height = random.Random(f"film {seed}").choice(FILM_SIZES)
    count = round(film.duration_s * FPS)
    frames = (draw_frame(film, n / FPS, width, height) for n in range(count))
    data = encode_video(frames, width, height, FPS)
    yield Item(f"film-{seed}", film, {f"film-{seed}.mp4": data}, {})


def _files(id_: str, scenes: Sequence[Scene], seed: int) -> dict[str, bytes]:
    rng = random.Random(f"files {id_}")
    files = {}
    for number, scene in enumerate(scenes):
        how = ImageFile(rng.choice(("jpeg", "png", "webp")))
        picture = draw_scene(
            scene, *rng.choice(PICTURE_SIZES), camera=hand_held(seed * 8 + number)
        )
        files[f"{id_}-{number}{how.suffix}"] = encode_image(picture, how)
    return files


PARTS = (
    Part(
        "pictures",
        (
            {"task": "caption", "style": "detailed"},
            {"task": "tags", "vocabulary": list(WORDS), "max_tags": 12},
            *(
                {"task": "vqa", "name": f"vqa_{n}", "questions": list(asked)}
                for n, asked in enumerate(QUESTIONS, start=1)
            ),
            {"task": "sentiment"},
        ),
        _pictures,
        "image",
    ),
    Part("several", ({"task": "compare"}, {"task": "sequence"}), _several, "images"),
    Part(
        "offers",
        (
            {
                "task": "listing",
                "categories": CATEGORIES,
                "context": ["title", "description"],
            },
        ),
        _offers,
        "images",
    ),
    Part("films", ({"task": "video_summary"},), _films, "video"),
)
