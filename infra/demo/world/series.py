"""Several pictures that belong together: series, pairs, and the photographs of a listing."""

from __future__ import annotations

import random
from dataclasses import dataclass, replace
from typing import Literal

from infra.demo.world.scene import Scene, Thing, changed, other, thing_of, things_of
from infra.demo.world.vocabulary import BACKGROUNDS, apart, capitalised, indefinite

SeriesKind = Literal["parade", "journey", "recolouring"]
Aspect = Literal["kind", "colour", "pattern", "size", "place", "number", "background"]
ASPECTS: tuple[Aspect, ...] = (
    *("kind", "colour", "pattern", "size", "place"),
    *("number", "background"),
)
Conflict = Literal["product", "colour", "pattern"]
CONFLICTS: tuple[Conflict, ...] = ("product", "colour", "pattern")
_FIELDS = {"kind": "product"}
"""Aspects whose field of `Thing` has another name."""


@dataclass(frozen=True)
class Series:
    """Pictures in their order.

    Attributes:
        kind: ``parade``: another thing in each; ``journey``: one thing that moves;
            ``recolouring``: one thing that changes its colour.
        scenes: One thing each, all before one background.
    """

    kind: SeriesKind
    scenes: tuple[Scene, ...]

    @property
    def things(self) -> tuple[Thing, ...]:
        """The one thing of each picture."""
        return tuple(scene.things[0] for scene in self.scenes)

    @property
    def steps(self) -> tuple[str, ...]:
        """What each picture shows, in a few words."""
        if self.kind == "journey":
            return tuple(f"the {thing.name} is {thing.place}" for thing in self.things)
        return tuple(indefinite(thing.name) for thing in self.things)

    @property
    def description(self) -> str:
        """What happens over the whole series."""
        first = self.things[0]
        if self.kind == "journey":
            goals = " to ".join(thing.place.partition(" ")[2] for thing in self.things)
            return f"{indefinite(first.name)} moves from {goals}"
        if self.kind == "recolouring":
            colours = " to ".join(thing.colour for thing in self.things)
            return f"a {first.product} changes from {colours}"
        return ", then ".join(self.steps)


@dataclass(frozen=True)
class Pair:
    """Two pictures that are the same but for one aspect, or not even that.

    Attributes:
        first: One to three things.
        second: Likewise.
        aspect: In which they differ; None if they do not.
    """

    first: Scene
    second: Scene
    aspect: Aspect | None

    @property
    def verdict(self) -> str:
        """``same``, ``similar``, or ``different`` where it is about another kind of thing."""
        if self.aspect is None:
            return "same"
        return "different" if self.aspect == "kind" else "similar"

    @property
    def difference(self) -> str:
        """Such as "red in 1, blue in 2"; empty if there is none."""
        if self.aspect is None:
            return ""
        if self.aspect == "background":
            values = [self.first.background, self.second.background]
        elif self.aspect == "number":
            values = [str(len(one.things)) for one in (self.first, self.second)]
        else:
            name = _FIELDS.get(self.aspect, self.aspect)
            before, after = self._changed
            values = [getattr(one, name) for one in (before, after)]
        return f"{values[0]} in 1, {values[1]} in 2"

    @property
    def _changed(self) -> tuple[Thing, Thing]:
        pairs = zip(self.first.things, self.second.things, strict=True)
        return next((a, b) for a, b in pairs if a != b)


@dataclass(frozen=True)
class Offer:
    """A shop's listing: one thing in several photographs, and what the seller says.

    Attributes:
        photographs: The thing is the same in all; its size, place and background are not.
        title: The seller's.
        description: Likewise.
        claimed: The thing as the seller has it.
        conflict: The field of `Thing` in which that is not true; None if all of it is.
    """

    photographs: tuple[Scene, ...]
    title: str
    description: str
    claimed: Thing
    conflict: Conflict | None

    @property
    def thing(self) -> Thing:
        """What is offered, as the first photograph shows it."""
        return self.photographs[0].things[0]


def series_of(seed: int) -> Series:
    """The series of a seed, of three to five pictures."""
    rng = random.Random(f"series {seed}")
    kinds: tuple[SeriesKind, ...] = ("parade", "journey", "recolouring")
    kind, count = rng.choice(kinds), rng.randint(3, 5)
    things = [thing_of(rng)]
    while len(things) < count:
        things.append(
            _unlike(rng, things)
            if kind == "parade"
            else changed(rng, things[-1], "place" if kind == "journey" else "colour")
        )
    background = rng.choice(tuple(BACKGROUNDS))
    return Series(kind, tuple(Scene(background, (thing,)) for thing in things))


def pair_of(seed: int) -> Pair:
    """The pair of a seed; in every eighth the pictures do not differ."""
    rng = random.Random(f"pair {seed}")
    aspect = rng.choice((*ASPECTS, None))
    count = rng.choice((2, 3) if aspect == "number" else (1, 1, 2))
    first = Scene(rng.choice(tuple(BACKGROUNDS)), things_of(rng, count))
    second = _second(rng, first, aspect)
    if rng.random() < 0.5:
        first, second = second, first
    return Pair(first, second, aspect)


def offer_of(seed: int, product: str | None = None) -> Offer:
    """The offer of a seed, of one to four photographs; every other has a conflict.

    Args:
        seed: Any number.
        product: What is offered; the seed decides if None.
    """
    rng = random.Random(f"offer {seed}")
    thing = thing_of(rng)
    if product:
        thing = replace(thing, product=product)
    photographs = tuple(
        Scene(
            rng.choice(tuple(BACKGROUNDS)),
            (replace(changed(rng, thing, "place"), size=rng.choice(("small", "large"))),),
        )
        for _ in range(rng.randint(1, 4))
    )
    conflict = rng.choice(CONFLICTS) if rng.random() < 0.5 else None
    claimed = changed(rng, thing, conflict) if conflict else thing
    while conflict and claimed.pattern == "plain" != thing.pattern:
        # Of a plain thing the pattern is not said, and what is not said contradicts nothing.
        claimed = changed(rng, thing, conflict)
    return Offer(photographs, *_said(rng, claimed), claimed, conflict)


_PRAISE = (
    "As good as new.",
    "Hardly used.",
    "A present that I do not need.",
    "From a home without pets.",
    "Sent within two days.",
    "No returns.",
)


def _said(rng: random.Random, claimed: Thing) -> tuple[str, str]:
    title = rng.choice(("{}", "{} for sale", "Nice {}", "My {}")).format(claimed.name)
    told = rng.choice(
        ("This is {a}.", "I sell {a}.", "You get {a}.", "{a}, as in the photographs.")
    ).format(a=indefinite(claimed.name))
    praise = rng.sample(_PRAISE, rng.randint(0, 2))
    return capitalised(title), " ".join([capitalised(told), *praise])


def _unlike(rng: random.Random, things: list[Thing]) -> Thing:
    """A thing of another product than all of these."""
    while True:
        thing = thing_of(rng)
        if thing.product not in {one.product for one in things}:
            return thing


def _second(rng: random.Random, first: Scene, aspect: Aspect | None) -> Scene:
    if aspect is None:
        return first
    if aspect == "background":
        return replace(first, background=other(rng, first.background, tuple(BACKGROUNDS)))
    if aspect == "number":
        return replace(first, things=first.things[:-1])
    index = rng.randrange(len(first.things))
    things = list(first.things)
    taken = [one for at, one in enumerate(things) if at != index]
    while True:
        new = changed(rng, first.things[index], _FIELDS.get(aspect, aspect))
        if not any(_alike(new, one) for one in taken):
            break
    things[index] = new
    return replace(first, things=tuple(things))


def _alike(one: Thing, other_: Thing) -> bool:
    """Whether two things of a scene could be mixed up, or touch."""
    return (
        one.product == other_.product
        or one.colour == other_.colour
        or one.place not in apart(other_.place)
    )
