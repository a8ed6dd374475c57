from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from infra.demo.world import (
    BACKGROUNDS,
    COLOURS,
    DEMO_SEEDS,
    EVENT_KINDS,
    PLACES,
    PRODUCTS,
    RESERVED_SEEDS,
    SIZES,
    TRAINING_SEEDS,
    Thing,
    film_of,
    scene_of,
)

SEEDS = st.integers(0, 2**40)


def is_of_this_world(thing: Thing) -> bool:
    return (
        thing.product in PRODUCTS
        and thing.colour in COLOURS
        and thing.size in SIZES
        and thing.place in PLACES
    )


def test_training_demo_and_reserved_seeds_never_meet() -> None:
    assert not range(
        max(TRAINING_SEEDS.start, DEMO_SEEDS.start), min(TRAINING_SEEDS.stop, DEMO_SEEDS.stop)
    )
    assert TRAINING_SEEDS.stop <= RESERVED_SEEDS
    assert DEMO_SEEDS.stop <= RESERVED_SEEDS


@given(SEEDS)
def test_a_seed_always_gives_the_same_scene_and_film(seed: int) -> None:
    assert scene_of(seed) == scene_of(seed)
    assert film_of(seed) == film_of(seed)


def test_a_scene_is_the_same_on_every_machine() -> None:
    assert scene_of(8_000_000).caption == (
        "a small brown star at the top on a sky blue background"
    )
    assert [shot.sentence for shot in film_of(8_000_057).shots] == [
        "a small black shoe at the bottom turns brown",
        "a large orange bag at the bottom moves to the right",
        "a large black bag at the top turns blue",
    ]


@given(SEEDS)
def test_a_scene_shows_one_or_two_things_that_cannot_be_mixed_up(seed: int) -> None:
    scene = scene_of(seed)
    assert scene.background in BACKGROUNDS
    assert len(scene.things) in (1, 2)
    assert all(is_of_this_world(thing) for thing in scene.things)
    for part in ("product", "colour", "place"):
        values = [getattr(thing, part) for thing in scene.things]
        assert len(set(values)) == len(values)
        assert all(value in scene.caption for value in values)


@given(SEEDS)
def test_two_things_never_overlap(seed: int) -> None:
    things = scene_of(seed).things
    if len(things) == 2:
        centres = [PLACES[thing.place] for thing in things]
        apart = max(abs(a - b) for a, b in zip(*centres, strict=True))
        assert apart >= sum(SIZES[thing.size] for thing in things) / 2


@given(SEEDS, st.integers(1, 6))
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
