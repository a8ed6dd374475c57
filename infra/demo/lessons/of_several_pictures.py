"""Lessons about several pictures that belong together."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from infra.demo.lessons import asides, teachers
from infra.demo.lessons.lesson import Lesson, bound, lessons_of
from infra.demo.lessons.photographs import Sizes, several_pictures
from infra.demo.world.scene import scene_of
from infra.demo.world.series import offer_of, pair_of, series_of
from infra.demo.world.vocabulary import COLOURS, PRODUCTS


def sequence(rng: random.Random, seeds: Sequence[int], sizes: Sizes) -> Iterator[list[Lesson]]:
    """What happens over a series, step by step."""
    task = bound("sequence")
    for seed in seeds:
        series = series_of(seed)
        shown = several_pictures(series.scenes, seed, rng, sizes)
        [lesson] = lessons_of(task, shown, teachers.sequence(series))
        yield [replace(lesson, asides=asides.of_series(series))]


def compare(rng: random.Random, seeds: Sequence[int], sizes: Sizes) -> Iterator[list[Lesson]]:
    """What two pictures share, and in what they differ."""
    task = bound("compare")
    for seed in seeds:
        pair = pair_of(seed)
        shown = several_pictures((pair.first, pair.second), seed, rng, sizes)
        [lesson] = lessons_of(task, shown, teachers.compare(pair))
        yield [replace(lesson, asides=asides.of_pair(pair))]


def story(rng: random.Random, seeds: Sequence[int], sizes: Sizes) -> Iterator[list[Lesson]]:
    """A story about one picture or several."""
    task = bound("story")
    for seed in seeds:
        scenes = series_of(seed).scenes if rng.random() < 0.6 else (scene_of(seed),)
        shown = several_pictures(scenes, seed, rng, sizes)
        yield lessons_of(task, shown, teachers.story(scenes))


def categories(rng: random.Random) -> dict[str, dict[str, Any]]:
    """What a shop might ask of things, by product."""
    asked = [name for name in teachers.ATTRIBUTES if name == "colour" or rng.random() < 0.4]
    attributes = {name: teachers.ATTRIBUTES[name] or list(COLOURS) for name in asked}
    extra: dict[str, dict[str, Any]] = {
        "mug": {"handle": "yes_no"},
        "shirt": {"sleeves": ["short", "long", "none"]},
        "shoe": {"laces": "yes_no"},
        "lamp": {"shade": ["cloth", "glass", "metal", "paper"]},
    }
    kept = rng.sample(PRODUCTS, rng.choice((4, 7, len(PRODUCTS))))
    return {name: attributes | extra.get(name, {}) for name in kept}


def listing(rng: random.Random, seeds: Sequence[int], sizes: Sizes) -> Iterator[list[Lesson]]:
    """A shop's listing: the category first, then all the rest."""
    offered = categories(rng)
    task = bound("listing", categories=offered, context=("title", "description"))
    # Mostly of one product, so that the second question's instruction is shared too.
    product = rng.choice(tuple(offered)) if rng.random() < 0.8 else None
    # The category is soon learned; what the seller got wrong is not.
    asked_first = rng.random() < 0.3
    for seed in seeds:
        offer = offer_of(seed, product)
        photographs = offer.photographs[: rng.choice((1, 1, 2, 4))]
        shown = several_pictures(photographs, seed, rng, sizes)
        context = {"title": offer.title, "description": offer.description}
        first, *rest = lessons_of(task, shown, teachers.listing(offer), context)
        known = asides.of_offer(offer, context)
        chosen = [first] if asked_first else rest
        yield [replace(lesson, asides=known) for lesson in chosen]
