"""The demo's world: what there is to see in a picture or a film, as plain data.

Every scene and film follows from one seed. The ranges of seeds never overlap, so that
nothing a model was trained on can be in the demo:

====================  =================================================
`TRAINING_SEEDS`      for training and validating a model of this world
`DEMO_SEEDS`          for the demo's catalogue and for nothing else
from `RESERVED_SEEDS`  left to others: nothing in this repository uses them
====================  =================================================
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Literal

TRAINING_SEEDS = range(8_000_000)
DEMO_SEEDS = range(8_000_000, 9_000_000)
RESERVED_SEEDS = 9_000_000

PRODUCTS = (
    "mug",
    "shirt",
    "shoe",
    "lamp",
    "chair",
    "bag",
    "ball",
    "bottle",
    "clock",
    "star",
)
COLOURS = {
    "red": (208, 32, 40),
    "orange": (240, 132, 24),
    "yellow": (246, 208, 32),
    "green": (36, 148, 68),
    "blue": (32, 88, 208),
    "purple": (124, 52, 168),
    "brown": (120, 72, 40),
    "black": (24, 24, 28),
}
BACKGROUNDS = {
    "white": (252, 252, 252),
    "grey": (188, 190, 194),
    "cream": (244, 232, 204),
    "sky blue": (190, 220, 244),
    "mint": (196, 236, 212),
    "pink": (248, 208, 220),
}
SIZES = {"small": 0.26, "large": 0.42}
"""Side of a thing's square, as a fraction of the picture's shorter side."""

PLACES = {
    "at the left": (0.23, 0.5),
    "at the right": (0.77, 0.5),
    "in the centre": (0.5, 0.5),
    "at the top": (0.5, 0.23),
    "at the bottom": (0.5, 0.77),
}
"""Centre of a thing, as fractions of width and height."""

_APART = {
    "at the left": ("at the right",),
    "at the right": ("at the left",),
    "in the centre": (),
    "at the top": ("at the bottom",),
    "at the bottom": ("at the top",),
}

EventKind = Literal["appears", "moves", "changes colour", "leaves"]
EVENT_KINDS: tuple[EventKind, ...] = ("appears", "moves", "changes colour", "leaves")


@dataclass(frozen=True)
class Thing:
    """One product in a picture.

    Attributes:
        product: One of `PRODUCTS`.
        colour: Of `COLOURS`.
        size: Of `SIZES`.
        place: Of `PLACES`.
    """

    product: str
    colour: str
    size: str
    place: str

    @property
    def phrase(self) -> str:
        """Such as "a large orange mug at the left"."""
        return f"a {self.size} {self.colour} {self.product} {self.place}"


@dataclass(frozen=True)
class Scene:
    """What a picture shows: one or two things before a background."""

    background: str
    things: tuple[Thing, ...]

    @property
    def caption(self) -> str:
        """A sentence that says all there is to see."""
        shown = " and ".join(thing.phrase for thing in self.things)
        return f"{shown} on a {self.background} background"

    @property
    def tags(self) -> tuple[str, ...]:
        """Products and colours, each once, and the background."""
        words = [word for thing in self.things for word in (thing.product, thing.colour)]
        return tuple(dict.fromkeys([*words, f"{self.background} background"]))


@dataclass(frozen=True)
class Event:
    """Something that happens to the one thing of a shot.

    Attributes:
        kind: Which.
        start_s: Seconds from the film's start.
        end_s: Likewise; the same as `start_s` for what happens at once.
        after: The thing as it is then; None once it has left.
    """

    kind: EventKind
    start_s: float
    end_s: float
    after: Thing | None


@dataclass(frozen=True)
class Shot:
    """A part of a film without a cut.

    Attributes:
        start_s: Seconds from the film's start.
        end_s: Likewise; the next shot's start.
        background: Of `BACKGROUNDS`.
        before: The thing before the event; None if it has yet to appear.
        event: What happens.
    """

    start_s: float
    end_s: float
    background: str
    before: Thing | None
    event: Event

    @property
    def subject(self) -> Thing:
        """The thing that the shot is about, as it is seen first."""
        thing = self.before or self.event.after
        assert thing is not None, "a shot shows something before or after its event"
        return thing

    @property
    def sentence(self) -> str:
        """Such as "a large red mug at the left moves to the right"."""
        phrase, after = self.subject.phrase, self.event.after
        if self.event.kind == "moves" and after:
            return f"{phrase} moves to {after.place.partition(' ')[2]}"
        if self.event.kind == "changes colour" and after:
            return f"{phrase} turns {after.colour}"
        return f"{phrase} {self.event.kind}"


@dataclass(frozen=True)
class Film:
    """Shots without gaps."""

    shots: tuple[Shot, ...]

    @property
    def duration_s(self) -> float:
        """Seconds."""
        return self.shots[-1].end_s

    @property
    def tags(self) -> tuple[str, ...]:
        """Products and colours seen in any shot, each once."""
        seen = [thing for s in self.shots for thing in (s.before, s.event.after) if thing]
        return tuple(dict.fromkeys(word for one in seen for word in (one.product, one.colour)))


def scene_of(seed: int) -> Scene:
    """The scene of a seed: the same on every machine."""
    rng = random.Random(seed)
    first = _thing(rng, rng.choice(tuple(PLACES)))
    things = [first]
    free = _APART[first.place]
    if free and rng.random() < 0.5:
        things.append(_thing(rng, free[0], unlike=first))
    return Scene(rng.choice(tuple(BACKGROUNDS)), tuple(things))


def film_of(seed: int, shots: int = 3) -> Film:
    """The film of a seed: so many shots of 1.5 to 3 seconds, each with one event."""
    rng = random.Random(seed)
    made: list[Shot] = []
    ground = ""
    for _ in range(shots):
        ground = rng.choice([one for one in BACKGROUNDS if one != ground])
        made.append(_shot(rng, made[-1].end_s if made else 0.0, ground))
    return Film(tuple(made))


def _thing(rng: random.Random, place: str, unlike: Thing | None = None) -> Thing:
    """A thing at a place; another product and colour than its neighbour's."""
    products = [one for one in PRODUCTS if not unlike or one != unlike.product]
    colours = [one for one in COLOURS if not unlike or one != unlike.colour]
    return Thing(rng.choice(products), rng.choice(colours), rng.choice(tuple(SIZES)), place)


def _shot(rng: random.Random, start_s: float, background: str) -> Shot:
    end_s = start_s + rng.choice((1.5, 2.0, 2.5, 3.0))
    kind = rng.choice(EVENT_KINDS)
    thing = _thing(rng, rng.choice(tuple(PLACES)))
    begins = start_s + 0.5
    if kind == "moves":
        place = rng.choice([one for one in PLACES if one != thing.place])
        moved = Thing(thing.product, thing.colour, thing.size, place)
        return Shot(start_s, end_s, background, thing, Event(kind, begins, end_s - 0.5, moved))
    before: Thing | None = thing
    after: Thing | None = None
    if kind == "appears":
        before, after = None, thing
    if kind == "changes colour":
        colour = rng.choice([one for one in COLOURS if one != thing.colour])
        after = Thing(thing.product, colour, thing.size, thing.place)
    return Shot(start_s, end_s, background, before, Event(kind, begins, begins, after))
