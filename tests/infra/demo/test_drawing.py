from __future__ import annotations

import itertools

import pytest
from PIL import Image, ImageChops

from infra.demo.drawing import arranged, draw_frame, draw_scene, hand_held
from infra.demo.products import OUTLINES
from infra.demo.world.film import film_of
from infra.demo.world.scene import Face, Scene, Thing
from infra.demo.world.vocabulary import BACKGROUNDS, MOODS, PATTERNS, PRODUCTS


def drawn(product: str, pattern: str = "plain", side: int = 240) -> Image.Image:
    thing = Thing(product, "blue", "large", "in the centre", pattern)
    return draw_scene(Scene("white", (thing,)), side, side)


def face(mood: str) -> Image.Image:
    shown = Face(mood, "tan", "large", "in the centre")
    return draw_scene(Scene("white", (), shown), 240, 240)


def unlike(one: Image.Image, other: Image.Image) -> int:
    """Pixels that clearly differ."""
    difference = ImageChops.difference(one, other).convert("L")
    return difference.point(lambda value: 255 if value > 60 else 0).histogram()[255]


def test_every_product_has_an_outline() -> None:
    assert set(OUTLINES) == set(PRODUCTS)


def test_no_two_products_and_no_two_moods_look_alike() -> None:
    for images in ([drawn(product) for product in PRODUCTS], [face(mood) for mood in MOODS]):
        for one, other in itertools.combinations(images, 2):
            assert unlike(one, other) > 200


@pytest.mark.parametrize("product", PRODUCTS)
def test_patterns_are_seen_on_every_product_and_stay_within_it(product: str) -> None:
    images = [drawn(product, pattern) for pattern in PATTERNS]
    for one, other in itertools.combinations(images, 2):
        assert unlike(one, other) > 200
    plain, *decorated = images
    for image in decorated:
        for x, y in itertools.product(range(0, 240, 3), repeat=2):
            if plain.getpixel((x, y)) == _EMPTY.getpixel((x, y)):
                assert image.getpixel((x, y)) == plain.getpixel((x, y))


_EMPTY = draw_scene(Scene("white", ()), 240, 240)


def test_a_hand_held_camera_moves_things_a_little_and_is_the_same_each_time() -> None:
    scene = Scene("mint", (Thing("ball", "red", "large", "at the left"),))
    pictures = [draw_scene(scene, 200, 100, camera=hand_held(n)).tobytes() for n in range(20)]
    assert len(set(pictures)) == 20
    assert pictures[3] == draw_scene(scene, 200, 100, camera=hand_held(3)).tobytes()
    [still] = arranged(scene)
    for number in range(20):
        [moved] = arranged(scene, hand_held(number))
        assert max(abs(a - b) for a, b in zip(moved.centre, still.centre, strict=True)) <= 0.03
        assert 0.9 <= moved.side / still.side <= 1.1


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
    film = film_of(8_000_054, 3)
    for shot in film.shots:
        corner = draw_frame(film, shot.start_s, 64, 64).getpixel((1, 1))
        expected = BACKGROUNDS[shot.background]
        assert all(abs(a - b) < 12 for a, b in zip(corner, expected, strict=True))
