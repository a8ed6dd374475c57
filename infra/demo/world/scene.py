"""What one picture shows."""

from __future__ import annotations

import random
from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from typing import TypeVar

from infra.demo.world.vocabulary import (
    BACKGROUNDS,
    COLOURS,
    MOODS,
    PATTERNS,
    PLACES,
    PRODUCTS,
    SIZES,
    SKINS,
    Mood,
    apart,
    indefinite,
    joined,
)

MOST_THINGS = 3
Word = TypeVar("Word", bound=str)


class Figure(ABC):
    """What can be in a picture: of a size, at a place, with a name."""

    size: str
    place: str

    @property
    @abstractmethod
    def name(self) -> str:
        """In a few words, without size and place."""

    @property
    def phrase(self) -> str:
        """Such as "a large red striped mug at the left"."""
        return f"a {self.size} {self.name} {self.place}"


@dataclass(frozen=True)
class Thing(Figure):
    """One product in a picture.

    Attributes:
        product: One of `PRODUCTS`.
        colour: Of `COLOURS`.
        size: Of `SIZES`.
        place: Of `PLACES`.
        pattern: Of `PATTERNS`.
    """

    product: str
    colour: str
    size: str
    place: str
    pattern: str = "plain"

    @property
    def name(self) -> str:
        """Such as "red striped mug"; a plain thing's pattern is not said."""
        pattern = "" if self.pattern == "plain" else f" {self.pattern}"
        return f"{self.colour}{pattern} {self.product}"


@dataclass(frozen=True)
class Face(Figure):
    """A drawn face.

    Attributes:
        mood: Of `MOODS`.
        skin: Of `SKINS`.
        size: Of `SIZES`.
        place: Of `PLACES`.
    """

    mood: Mood
    skin: str
    size: str
    place: str

    @property
    def name(self) -> str:
        """Such as "happy face"."""
        return f"{self.mood} face"


@dataclass(frozen=True)
class Scene:
    """What a picture shows: things, a face or both, before a background."""

    background: str
    things: tuple[Thing, ...]
    face: Face | None = None

    @property
    def shown(self) -> tuple[Thing | Face, ...]:
        """All there is before the background; never nothing."""
        return (*([self.face] if self.face else []), *self.things)

    @property
    def caption(self) -> str:
        """A sentence that says all there is to see."""
        shown = joined(tuple(one.phrase for one in self.shown))
        return f"{shown} on a {self.background} background"

    @property
    def names(self) -> str:
        """A short phrase, such as "a red mug and an orange striped star"."""
        return joined(tuple(indefinite(one.name) for one in self.shown))

    @property
    def tags(self) -> tuple[str, ...]:
        """Products, colours and patterns, each once, a face and its mood, the background."""
        words = [word for face in [self.face] if face for word in ("face", face.mood)]
        words += [word for thing in self.things for word in words_of(thing)]
        return tuple(dict.fromkeys([*words, f"{self.background} background"]))


def words_of(thing: Thing) -> tuple[str, ...]:
    """A thing's tags."""
    pattern = () if thing.pattern == "plain" else (thing.pattern,)
    return (thing.product, thing.colour, *pattern)


def scene_of(seed: int, count: int | None = None) -> Scene:
    """The scene of products of a seed: the same on every machine.

    Args:
        seed: Any number.
        count: How many things, 1 to `MOST_THINGS`; the seed decides if None.
    """
    rng = random.Random(seed)
    count = count or rng.choices((1, 2, 3), (4, 4, 2))[0]
    return Scene(rng.choice(tuple(BACKGROUNDS)), things_of(rng, count))


def face_of(seed: int) -> Scene:
    """The scene of a seed with a face, and in every fourth a thing beside it."""
    rng = random.Random(f"face {seed}")
    alone = face_scene(rng, rng.choice(MOODS), rng.choice(tuple(BACKGROUNDS)))
    assert alone.face is not None
    free = apart(alone.face.place)
    if not free or rng.random() >= 0.25:
        return alone
    return replace(alone, things=(_thing(rng, rng.choice(free), ()),))


def face_scene(rng: random.Random, mood: Mood, background: str) -> Scene:
    """A face of a mood, anywhere, and nothing else."""
    face = Face(
        mood, rng.choice(tuple(SKINS)), rng.choice(tuple(SIZES)), rng.choice(tuple(PLACES))
    )
    return Scene(background, (), face)


def things_of(rng: random.Random, count: int) -> tuple[Thing, ...]:
    """Things that do not touch, each of another product and colour."""
    things: list[Thing] = []
    for place in _places(rng, count):
        things.append(_thing(rng, place, tuple(things)))
    return tuple(things)


def thing_of(rng: random.Random) -> Thing:
    """One thing, anywhere."""
    return things_of(rng, 1)[0]


def other(rng: random.Random, value: Word, of: tuple[Word, ...]) -> Word:
    """Another one."""
    return rng.choice([one for one in of if one != value])


def changed(rng: random.Random, thing: Thing, aspect: str) -> Thing:
    """The same thing but for one aspect, a field of `Thing`."""
    choices = {
        "product": PRODUCTS,
        "colour": tuple(COLOURS),
        "pattern": PATTERNS,
        "size": tuple(SIZES),
        "place": tuple(PLACES),
    }[aspect]
    return replace(thing, **{aspect: other(rng, getattr(thing, aspect), choices)})


def _places(rng: random.Random, count: int) -> list[str]:
    """Places apart from one another, as a reader meets them."""
    while True:
        taken: list[str] = []
        free = tuple(PLACES)
        while free and len(taken) < count:
            taken.append(rng.choice(free))
            free = tuple(one for one in free if one in apart(taken[-1]))
        if len(taken) == count:
            return sorted(taken, key=tuple(PLACES).index)


def _thing(rng: random.Random, place: str, unlike: tuple[Thing, ...]) -> Thing:
    products = [one for one in PRODUCTS if one not in {thing.product for thing in unlike}]
    colours = [one for one in COLOURS if one not in {thing.colour for thing in unlike}]
    return Thing(
        rng.choice(products),
        rng.choice(colours),
        rng.choice(tuple(SIZES)),
        place,
        rng.choices(PATTERNS, (2, 1, 1))[0],
    )
