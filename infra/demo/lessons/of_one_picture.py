"""Lessons about one picture."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from infra.demo.lessons import asides, teachers
from infra.demo.lessons.asking import Asked, questions, scene_for, simple_question
from infra.demo.lessons.facts import GROUPS, SYNONYMS
from infra.demo.lessons.lesson import Lesson, bound, lessons_of
from infra.demo.lessons.photographs import Sizes, any_scene, one_picture
from infra.demo.world.scene import face_of, scene_of
from infra.demo.world.vocabulary import BACKGROUNDS, COLOURS, MOODS, PATTERNS, PRODUCTS
from operators.taxonomy import Node, Taxonomy


def captions(rng: random.Random, seeds: Sequence[int], sizes: Sizes) -> Iterator[list[Lesson]]:
    """Captions of every style."""
    style = rng.choices(
        ("detailed", "alt-text", "training", "short", "clinical"), (6, 3, 2, 3, 1)
    )[0]
    task = bound("caption", style=style, max_chars=rng.choice((200, 300, 400, 400, 500)))
    for seed in seeds:
        scene = any_scene(seed)
        yield lessons_of(task, one_picture(scene, seed, rng, sizes), teachers.caption(scene))


def tags(rng: random.Random, seeds: Sequence[int], sizes: Sizes) -> Iterator[list[Lesson]]:
    """Tags: free, from a list, level by level of a taxonomy."""
    options: dict[str, Any] = {"max_tags": rng.choice((6, 8, 10, 10, 12))}
    match rng.choices(("free", "list", "taxonomy"), (1, 4, 4))[0]:
        case "list":
            options["vocabulary"] = list(vocabulary(rng))
        case "taxonomy":
            options["taxonomy"] = taxonomy(rng)
    task = bound("tags", **options)
    for seed in seeds:
        scene = any_scene(seed)
        yield lessons_of(task, one_picture(scene, seed, rng, sizes), teachers.tags(scene))


WORDS = (
    *PRODUCTS,
    *COLOURS,
    *PATTERNS[1:],
    *(f"{ground} background" for ground in BACKGROUNDS),
    "face",
    *MOODS,
)
"""All tags there are, but those of kinds."""


def vocabulary(rng: random.Random) -> tuple[str, ...]:
    """A closed list of tags, in any order."""
    match rng.randrange(4):
        case 0:
            words: Sequence[str] = PRODUCTS
        case 1:
            words = (*PRODUCTS, *COLOURS)
        case 2:
            words = WORDS
        case _:
            words = rng.sample(WORDS, rng.randint(4, len(WORDS) - 4))
    return tuple(rng.sample(list(words), len(words)))


def taxonomy(rng: random.Random) -> Taxonomy:
    """A taxonomy of the world's tags: like the catalogue's, or by kinds of product."""
    roots: dict[str, Sequence[str]] = {
        "colour": tuple(COLOURS),
        "background": tuple(f"{ground} background" for ground in BACKGROUNDS),
    }
    if rng.random() < 0.5:
        roots["pattern"] = PATTERNS[1:]
    kinds: dict[str, Sequence[str]] = {"thing": PRODUCTS}
    roots = {**(kinds if rng.random() < 0.6 else GROUPS), **roots}
    if rng.random() < 0.5:
        roots["face"] = MOODS
    kept = [root for root in roots if rng.random() < 0.85] or ["colour"]
    if rng.random() < 0.5:
        rng.shuffle(kept)
    nodes: list[Node] = [_node(root, None, rng) for root in kept]
    for root in kept:
        below = [word for word in roots[root] if rng.random() < 0.9] or [roots[root][0]]
        nodes += [_node(word, root, rng) for word in below]
    return Taxonomy(tuple(nodes))


def _node(word: str, parent: str | None, rng: random.Random) -> Node:
    synonyms = [other for other, meant in SYNONYMS.items() if meant == word]
    kept = tuple(synonyms) if rng.random() < 0.7 else ()
    return Node(word if parent is None else f"{parent}-{word}", word, parent, kept)


def vqa(rng: random.Random, seeds: Sequence[int], sizes: Sizes) -> Iterator[list[Lesson]]:
    """One to eight questions, of every type."""
    count = rng.choice((1, 2, 3, 4, 4, 6, 8))
    asked = questions(rng, count)
    while sum(one.needs_plant for one in asked) > 2:
        asked = questions(rng, count)
    yield from _answered(asked, rng, seeds, sizes)


def one_question(
    rng: random.Random, seeds: Sequence[int], sizes: Sizes
) -> Iterator[list[Lesson]]:
    """One simple question: an exercise."""
    yield from _answered([simple_question(rng)], rng, seeds, sizes)


def _answered(
    asked: list[Asked], rng: random.Random, seeds: Sequence[int], sizes: Sizes
) -> Iterator[list[Lesson]]:
    task = bound("vqa", questions=[one.option() for one in asked])
    for seed in seeds:
        scene = scene_for(seed, asked)
        shown = one_picture(scene, seed, rng, sizes)
        [lesson] = lessons_of(task, shown, teachers.vqa(scene, asked))
        yield [replace(lesson, asides=asides.of_questions(asked, scene))]


def sentiment(rng: random.Random, seeds: Sequence[int], sizes: Sizes) -> Iterator[list[Lesson]]:
    """The mood of faces, and of things that have none."""
    task = bound("sentiment")
    for seed in seeds:
        scene = face_of(seed) if rng.random() < 0.9 else scene_of(seed)
        yield lessons_of(task, one_picture(scene, seed, rng, sizes), teachers.sentiment(scene))


_FIELDS: dict[str, dict[str, Any]] = {
    **{name: {"type": "string", "maxLength": 40} for name in ("product", "kind", "place")},
    "colour": {"enum": list(COLOURS)},
    "pattern": {"enum": list(PATTERNS)},
    "size": {"enum": ["small", "large"]},
    "background": {"type": "string", "maxLength": 40},
    "count": {"type": "integer", "minimum": 0, "maximum": 100},
    "striped": {"type": "boolean"},
    "dotted": {"type": "boolean"},
    "brand": {"type": ["string", "null"], "maxLength": 40},
}


def extract(rng: random.Random, seeds: Sequence[int], sizes: Sizes) -> Iterator[list[Lesson]]:
    """Fields of a schema."""
    names = rng.sample(list(_FIELDS), rng.randint(1, 5))
    schema = {"type": "object", "properties": {name: _FIELDS[name] for name in names}}
    task = bound("extract", json_schema=schema)
    for seed in seeds:
        scene = scene_of(seed, 1)
        yield lessons_of(task, one_picture(scene, seed, rng, sizes), teachers.extract(scene))
