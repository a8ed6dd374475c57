from __future__ import annotations

from dataclasses import replace
from itertools import combinations, pairwise

from hypothesis import given
from hypothesis import strategies as st

from infra.demo.world.film import MOST_SHOTS, film_of
from infra.demo.world.scene import MOST_THINGS, Thing, face_of, scene_of
from infra.demo.world.seeds import (
    DEMO_SEEDS,
    RESERVED_SEEDS,
    TEST_SEEDS,
    TRAINING_SEEDS,
    VALIDATION_SEEDS,
)
from infra.demo.world.series import ASPECTS, offer_of, pair_of, series_of
from infra.demo.world.vocabulary import (
    BACKGROUNDS,
    COLOURS,
    EVENT_KINDS,
    MOODS,
    PATTERNS,
    PLACES,
    PRODUCTS,
    SIZES,
)

SEEDS = st.integers(0, 2**40)


def is_of_this_world(thing: Thing) -> bool:
    return (
        thing.product in PRODUCTS
        and thing.colour in COLOURS
        and thing.size in SIZES
        and thing.place in PLACES
        and thing.pattern in PATTERNS
    )


def test_the_ranges_of_seeds_never_meet() -> None:
    ranges = [TRAINING_SEEDS, VALIDATION_SEEDS, TEST_SEEDS, DEMO_SEEDS]
    for one, following in pairwise(ranges):
        assert one.stop <= following.start
    assert DEMO_SEEDS.stop <= RESERVED_SEEDS


@given(SEEDS)
def test_a_seed_always_gives_the_same_scene_and_film(seed: int) -> None:
    assert scene_of(seed) == scene_of(seed)
    assert film_of(seed) == film_of(seed)


def test_a_scene_is_the_same_on_every_machine() -> None:
    assert scene_of(8_000_000).caption == (
        "a large yellow ball at the top and a small purple dotted shoe at the bottom right "
        "on a lilac background"
    )
    assert [shot.sentence for shot in film_of(8_000_057, 3).shots] == [
        "a small black dotted shoe at the bottom right turns purple",
        "a large orange star at the top left moves to the left",
        "a large black bottle at the top left leaves",
    ]


@given(SEEDS, st.integers(1, MOST_THINGS))
def test_a_scene_shows_things_that_cannot_be_mixed_up(seed: int, count: int) -> None:
    scene = scene_of(seed, count)
    assert scene.background in BACKGROUNDS
    assert len(scene.things) == count
    assert all(is_of_this_world(thing) for thing in scene.things)
    for part in ("product", "colour", "place"):
        values = [getattr(thing, part) for thing in scene.things]
        assert len(set(values)) == len(values)
        assert all(value in scene.caption for value in values)


@given(SEEDS)
def test_things_and_faces_never_overlap(seed: int) -> None:
    for scene in (scene_of(seed, MOST_THINGS), face_of(seed)):
        for one, other in combinations(scene.shown, 2):
            centres = zip(PLACES[one.place], PLACES[other.place], strict=True)
            apart = max(abs(a - b) for a, b in centres)
            assert apart >= (SIZES[one.size] + SIZES[other.size]) / 2


@given(SEEDS)
def test_a_face_has_a_mood_that_its_tags_tell(seed: int) -> None:
    scene = face_of(seed)
    assert scene.face is not None
    assert scene.face.mood in MOODS
    assert {"face", scene.face.mood} <= set(scene.tags)
    assert scene.face.phrase in scene.caption


@given(SEEDS)
def test_a_pair_differs_in_its_aspect_and_in_nothing_else(seed: int) -> None:
    pair = pair_of(seed)
    first, second = pair.first, pair.second
    if pair.aspect is None:
        assert first == second
        assert (pair.verdict, pair.difference) == ("same", "")
        return
    assert pair.aspect in ASPECTS
    assert first != second
    assert (first.background != second.background) == (pair.aspect == "background")
    assert (len(first.things) != len(second.things)) == (pair.aspect == "number")
    if pair.aspect in ("kind", "colour", "pattern", "size", "place"):
        [(old, new)] = [
            (a, b) for a, b in zip(first.things, second.things, strict=True) if a != b
        ]
        field = "product" if pair.aspect == "kind" else pair.aspect
        assert replace(old, **{field: getattr(new, field)}) == new
        assert getattr(old, field) in pair.difference.partition(" in 1")[0]


@given(SEEDS)
def test_a_series_steps_are_what_its_pictures_show(seed: int) -> None:
    series = series_of(seed)
    assert 3 <= len(series.scenes) == len(series.steps) <= 5
    for thing, step in zip(series.things, series.steps, strict=True):
        assert thing.name in step
        assert series.kind != "journey" or thing.place in step
    for one, following in pairwise(series.things):
        assert one != following


@given(SEEDS)
def test_an_offer_claims_what_is_so_but_for_its_conflict(seed: int) -> None:
    offer = offer_of(seed)
    assert 1 <= len(offer.photographs) <= 4
    seen = {(t.product, t.colour, t.pattern) for s in offer.photographs for t in s.things}
    assert len(seen) == 1
    fields = ("product", "colour", "pattern")
    wrong = [f for f in fields if getattr(offer.claimed, f) != getattr(offer.thing, f)]
    assert wrong == ([offer.conflict] if offer.conflict else [])
    assert offer.claimed.name in offer.title.lower()
    assert offer.claimed.name in offer.description.lower()
    # What is not said contradicts nothing.
    assert offer.conflict != "pattern" or offer.claimed.pattern != "plain"


@given(SEEDS, st.integers(1, MOST_SHOTS))
def test_a_film_has_no_gaps_and_its_events_happen_within_their_shots(
    seed: int, count: int
) -> None:
    film = film_of(seed, count)
    assert len(film.shots) == count
    assert film.shots[0].start_s == 0
    for shot, following in zip(film.shots, film.shots[1:], strict=False):
        assert shot.end_s == following.start_s
        assert shot.background != following.background
    for shot in film.shots:
        assert shot.start_s < shot.event.start_s <= shot.event.end_s < shot.end_s
        assert shot.event.kind in EVENT_KINDS
        assert (shot.before is None) == (shot.event.kind == "appears")
        assert (shot.event.after is None) == (shot.event.kind == "leaves")
        assert is_of_this_world(shot.subject)
        assert shot.event.after != shot.before
        assert shot.seen(shot.start_s) == shot.before
        assert shot.seen(shot.end_s - 0.01) == shot.event.after
