from __future__ import annotations

import pytest
from PIL import Image, ImageChops

from infra.demo.drawing import draw_frame, draw_scene
from infra.demo.products import OUTLINES
from infra.demo.world import BACKGROUNDS, PRODUCTS, Scene, Thing, film_of


def drawn(product: str, side: int = 240) -> Image.Image:
    thing = Thing(product, "blue", "large", "in the centre")
    return draw_scene(Scene("white", (thing,)), side, side)


def test_every_product_has_an_outline() -> None:
    assert set(OUTLINES) == set(PRODUCTS)


def test_no_two_products_look_alike() -> None:
    images = [drawn(product) for product in PRODUCTS]
    for index, one in enumerate(images):
        for other in images[index + 1 :]:
            difference = (
                ImageChops.difference(one, other)
                .convert("L")
                .point(lambda value: 255 if value > 60 else 0)
            )
            assert difference.histogram()[255] > 400


@pytest.mark.parametrize("size", [(64, 64), (200, 90), (90, 200), (1500, 1500)])
def test_a_scene_fills_exactly_the_size_asked_for(size: tuple[int, int]) -> None:
    image = draw_scene(Scene("mint", (Thing("ball", "red", "large", "at the left"),)), *size)
    assert image.size == size
    assert image.mode == "RGB"


def test_a_transparent_scene_has_only_its_things() -> None:
    scene = Scene("mint", (Thing("ball", "red", "large", "in the centre"),))
    image = draw_scene(scene, 100, 100, transparent=True)
    assert image.getpixel((2, 2))[3] == 0
    assert image.getpixel((50, 50))[3] == 255


def test_a_moving_thing_is_on_its_way_in_between() -> None:
    film = next(
        film
        for film in map(film_of, range(1000))
        if film.shots[0].event.kind == "moves" and film.shots[0].end_s >= 2
    )
    event = film.shots[0].event
    times = (0.0, (event.start_s + event.end_s) / 2, event.end_s)
    images = [draw_frame(film, at_s, 160, 120) for at_s in times]
    assert len({image.tobytes() for image in images}) == 3


def test_a_frame_shows_its_shots_background() -> None:
    film = film_of(8_000_054)
    for shot in film.shots:
        corner = draw_frame(film, shot.start_s, 64, 64).getpixel((1, 1))
        expected = BACKGROUNDS[shot.background]
        assert all(abs(a - b) < 12 for a, b in zip(corner, expected, strict=True))
