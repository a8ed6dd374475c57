from __future__ import annotations

import io
import json
from collections.abc import Iterator
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image, ImageOps

from infra.demo.catalogue import FPS, Clip, Picture, catalogue_of, draw_catalogue
from infra.demo.catalogue_cli import main
from infra.demo.world.seeds import DEMO_SEEDS
from infra.demo.world.vocabulary import BACKGROUNDS, COLOURS, EVENT_KINDS, PLACES, SIZES
from schemas.failure import UsageError
from schemas.media import MediaKind, kind_from_name

CLEAR = 200
"""Shortest side in pixels from which a thing's colour survives every encoder."""


@pytest.fixture(scope="module")
def catalogue(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("catalogue")
    assert main(["--out", str(folder)]) == 0
    return folder


@pytest.fixture(scope="module")
def truth(catalogue: Path) -> list[dict]:
    return [json.loads(line) for line in (catalogue / "truth.jsonl").read_text().splitlines()]


def of_kind(truth: list[dict], kind: str) -> list[dict]:
    return [line for line in truth if line["kind"] == kind]


def colour_share(image: Image.Image, thing: dict) -> float:
    """How much of a thing's square has its colour."""
    side = SIZES[thing["size"]] * min(image.size)
    x, y = (part * size for part, size in zip(PLACES[thing["place"]], image.size, strict=True))
    box = (x - side / 2, y - side / 2, x + side / 2, y + side / 2)
    pixels = image.crop(tuple(round(edge) for edge in box)).convert("RGB").resize((48, 48), 0)
    close = [is_close(pixel, COLOURS[thing["colour"]]) for pixel in pixels.getdata()]
    return sum(close) / len(close)


def is_close(pixel: tuple[int, ...], colour: tuple[int, ...]) -> bool:
    return max(abs(a - b) for a, b in zip(pixel, colour, strict=True)) <= 40


def frames(path: Path) -> Iterator[tuple[float, Image.Image]]:
    with av.open(str(path)) as container:
        for frame in container.decode(video=0):
            yield frame.time, frame.to_image()


def test_it_holds_enough_images_of_every_format_and_odd_kind(
    catalogue: Path, truth: list[dict]
) -> None:
    images = of_kind(truth, "image")
    assert len(images) >= 48
    assert {line["format"] for line in images} == {"jpeg", "png", "webp"}
    sides = [(line["width"], line["height"]) for line in images]
    assert (64, 64) in sides
    assert max(width * height for width, height in sides) >= 12_000_000
    assert any(width > height for width, height in sides)
    assert any(width < height for width, height in sides)
    stored = [Image.open(catalogue / "media" / line["path"]) for line in images]
    assert {image.mode for image in stored} >= {"RGB", "RGBA", "CMYK", "P"}
    assert any(image.getexif().get(0x0112) == 6 for image in stored)
    assert any(image.info.get("progressive") for image in stored)


def test_every_image_decodes_to_the_size_and_format_in_its_truth(
    catalogue: Path, truth: list[dict]
) -> None:
    for line in of_kind(truth, "image"):
        path = catalogue / "media" / line["path"]
        assert kind_from_name(path.name) is MediaKind.IMAGE
        image = Image.open(path)
        assert image.format.lower() == line["format"]
        assert ImageOps.exif_transpose(image).size == (line["width"], line["height"])


def test_every_image_shows_what_its_truth_says(catalogue: Path, truth: list[dict]) -> None:
    judged = 0
    for line in of_kind(truth, "image"):
        image = ImageOps.exif_transpose(Image.open(catalogue / "media" / line["path"]))
        if min(image.size) < CLEAR:
            continue
        if image.mode == "RGBA":
            image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
        for thing in line["things"]:
            assert colour_share(image, thing) > 0.06, (line["path"], thing)
        corner = image.convert("RGB").getpixel((2, 2))
        assert is_close(corner, BACKGROUNDS[line["background"]]), line["path"]
        judged += 1
    assert judged >= 40


def test_there_are_six_films_of_a_few_seconds(catalogue: Path, truth: list[dict]) -> None:
    films = of_kind(truth, "video")
    assert len(films) == 6
    for line in films:
        assert kind_from_name(line["path"]) is MediaKind.VIDEO
        assert 2 <= line["duration_s"] <= 9
        assert 1 <= len(line["shots"]) <= 3
        with av.open(str(catalogue / "media" / line["path"])) as container:
            stream = container.streams.video[0]
            assert stream.codec_context.name == "h264"
            assert (stream.width, stream.height) == (line["width"], line["height"])
            assert sum(1 for _ in container.decode(stream)) == line["duration_s"] * FPS
    kinds = {shot["event"]["kind"] for line in films for shot in line["shots"]}
    assert kinds == set(EVENT_KINDS)


def test_every_film_shows_its_events_at_their_seconds(
    catalogue: Path, truth: list[dict]
) -> None:
    for line in of_kind(truth, "video"):
        shown = dict(frames(catalogue / "media" / line["path"]))
        for shot in line["shots"]:
            event = shot["event"]
            early = shown[min(shown, key=lambda t, s=shot: abs(t - s["start_s"] - 0.25))]
            late = shown[min(shown, key=lambda t, s=shot: abs(t - s["end_s"] + 0.25))]
            place = (line["path"], shot["sentence"])
            # A thing that moves a little still covers some of its old place.
            for thing, there, gone in (
                (shot["before"], early, late),
                (event["after"], late, early),
            ):
                if thing:
                    share = colour_share(there, thing)
                    assert share > 0.06, place
                    assert colour_share(gone, thing) < 0.6 * share, place


def test_the_same_catalogue_has_the_same_pictures_to_the_byte(catalogue: Path) -> None:
    for item in catalogue_of(0):
        if isinstance(item, Picture) and item.width * item.height < 10_000_000:
            assert (catalogue / "media" / item.name).read_bytes() == item.encode(), item.name


def test_the_same_catalogue_has_the_same_films_to_the_eye(
    catalogue: Path, tmp_path: Path
) -> None:
    for item in catalogue_of(0):
        if isinstance(item, Clip):
            again = tmp_path / "again.mp4"
            again.write_bytes(item.encode())
            first, second = (
                [(at, np.asarray(shown, np.int16)) for at, shown in frames(file)]
                for file in (catalogue / "media" / item.name, again)
            )
            assert [at for at, _ in first] == [at for at, _ in second]
            for (_, one), (_, other) in zip(first, second, strict=True):
                assert np.abs(one - other).mean() < 1


def test_catalogues_share_no_seed_and_stay_within_the_demos() -> None:
    seeds = [item.seed for number in (0, 1, 999) for item in catalogue_of(number)]
    assert len(set(seeds)) == len(seeds)
    assert all(seed in DEMO_SEEDS for seed in seeds)


@pytest.mark.parametrize("number", [-1, 1000])
def test_a_catalogue_beyond_the_demos_seeds_is_refused(number: int) -> None:
    with pytest.raises(UsageError, match="choose 0 to 999"):
        catalogue_of(number)


def test_what_is_in_place_is_not_drawn_again_and_what_is_lost_is(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    few = [item for item in catalogue_of(0) if item.width <= 128]
    monkeypatch.setattr("infra.demo.catalogue.catalogue_of", lambda number: few)
    seen: list[tuple[int, int]] = []
    assert draw_catalogue(tmp_path, on_item=lambda *progress: seen.append(progress))
    assert seen == [(done, len(few)) for done in range(1, len(few) + 1)]
    assert not draw_catalogue(tmp_path)
    lost = tmp_path / "media" / few[0].name
    content = lost.read_bytes()
    lost.unlink()
    assert draw_catalogue(tmp_path)
    assert lost.read_bytes() == content
    assert draw_catalogue(tmp_path, number=1)


def test_a_turned_picture_is_stored_on_its_side() -> None:
    (turned,) = (
        item for item in catalogue_of(0) if isinstance(item, Picture) and item.how.turned
    )
    stored = Image.open(io.BytesIO(turned.encode()))
    assert stored.size == (turned.height, turned.width)


def test_films_are_clips() -> None:
    assert sum(isinstance(item, Clip) for item in catalogue_of(0)) == 6
