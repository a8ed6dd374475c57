"""Questions about a scene, with their true answers."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from infra.demo.lessons.facts import count_of
from infra.demo.world.scene import Scene, Thing, things_of
from infra.demo.world.vocabulary import (
    BACKGROUNDS,
    COLOURS,
    PATTERNS,
    PLACES,
    PRODUCTS,
    indefinite,
)


@dataclass(frozen=True)
class Asked:
    """A question, what it can be asked about, and its answer.

    Attributes:
        question: In words.
        type: ``text``, ``yes_no``, ``number`` or ``choice``.
        answer: From a scene that suits it.
        plant: Changes a thing of a scene so that the question suits it, or is answered by
            yes; leaves it as it is where that is not needed.
        choices: Of type ``choice``.
        needs_plant: Whether it cannot be asked of every scene.
    """

    question: str
    type: str
    answer: Callable[[Scene], Any]
    plant: Callable[[random.Random, Thing], Thing] = lambda rng, thing: thing
    choices: tuple[str, ...] = ()
    needs_plant: bool = False

    def option(self) -> dict[str, Any]:
        """As a job file has it."""
        asked: dict[str, Any] = {"question": self.question, "type": self.type}
        return asked | ({"choices": list(self.choices)} if self.choices else {})


def simple_question(rng: random.Random) -> Asked:
    """Whether there is something, or how many of it: one word to look for."""
    return rng.choice((_is_there_product, _is_there_word, _how_many_of, _how_many))(rng)


def questions(rng: random.Random, count: int) -> list[Asked]:
    """Different questions about scenes of things."""
    asked: dict[str, Asked] = {}
    while len(asked) < count:
        one = rng.choice(_MAKERS)(rng)
        asked.setdefault(one.question, one)
    return list(asked.values())


def suited(rng: random.Random, scene: Scene, asked: list[Asked]) -> Scene:
    """The scene, changed so that each question suits it and half are answered by yes."""
    things = list(scene.things)
    planted: set[int] = set()
    for one in asked:
        free = [at for at in range(len(things)) if at not in planted]
        if not free or not (one.needs_plant or rng.random() < 0.5):
            continue
        at = rng.choice(free)
        new = one.plant(rng, things[at])
        others = [thing for other, thing in enumerate(things) if other != at]
        if any(new.product == t.product or new.colour == t.colour for t in others):
            continue
        things[at] = new
        planted.add(at)
    return replace(scene, things=tuple(things))


def _is_there_product(rng: random.Random) -> Asked:
    product = rng.choice(PRODUCTS)
    words = rng.choice(
        ("Is there a {}?", "Can you see a {}?", "Does the picture show a {}?", "Is a {} shown?")
    )
    return Asked(
        words.format(product),
        "yes_no",
        lambda scene: count_of(product, scene.things) > 0,
        lambda _, thing: replace(thing, product=product),
    )


def _is_there_coloured(rng: random.Random) -> Asked:
    product, colour = rng.choice(PRODUCTS), rng.choice(tuple(COLOURS))

    def plant(chance: random.Random, thing: Thing) -> Thing:
        # Half of what is planted is nearly right, so that both words must be looked at.
        match chance.randrange(4):
            case 0:
                return replace(thing, product=product)
            case 1:
                return replace(thing, colour=colour)
        return replace(thing, product=product, colour=colour)

    words = rng.choice(("Is there {}?", "Can you see {}?", "Does it show {}?"))
    return Asked(
        words.format(indefinite(f"{colour} {product}")),
        "yes_no",
        lambda scene: any((t.product, t.colour) == (product, colour) for t in scene.things),
        plant,
    )


def _is_there_word(rng: random.Random) -> Asked:
    word = rng.choice((*COLOURS, "striped", "dotted", "small", "large"))

    def plant(_: random.Random, thing: Thing) -> Thing:
        if word in COLOURS:
            return replace(thing, colour=word)
        if word in PATTERNS:
            return replace(thing, pattern=word)
        return replace(thing, size=word)

    words = rng.choice(("Is anything {}?", "Is there anything {}?", "Is something {}?"))
    return Asked(
        words.format(word),
        "yes_no",
        lambda scene: count_of(word, scene.things) > 0,
        plant,
    )


def _is_background(rng: random.Random) -> Asked:
    ground = rng.choice(tuple(BACKGROUNDS))
    return Asked(
        f"Is the background {ground}?",
        "yes_no",
        lambda scene: scene.background == ground,
    )


def _how_many(rng: random.Random) -> Asked:
    words = rng.choice(
        (
            *("How many things are there?", "How many things can be seen?"),
            *("How many objects are shown?", "How many products are in the picture?"),
        )
    )
    return Asked(words, "number", lambda scene: len(scene.things))


def _how_many_of(rng: random.Random) -> Asked:
    word = rng.choice(("striped", "dotted", "small", "large", *PRODUCTS))
    if word in PRODUCTS:
        return Asked(
            f"How many {word}s are there?",
            "number",
            lambda scene: count_of(word, scene.things),
            lambda _, thing: replace(thing, product=word),
        )
    return Asked(
        f"How many {word} things are there?",
        "number",
        lambda scene: count_of(word, scene.things),
        lambda _, thing: replace(
            thing, **({"pattern": word} if word in PATTERNS else {"size": word})
        ),
    )


def _attribute(rng: random.Random) -> Asked:
    """The colour, pattern, size or place of a product that is there."""
    product = rng.choice(PRODUCTS)
    words, field, all_choices = rng.choice(
        (
            ("What colour is the {}?", "colour", tuple(COLOURS)),
            ("What colour does the {} have?", "colour", tuple(COLOURS)),
            ("Which colour is the {}?", "colour", tuple(COLOURS)),
            ("What pattern does the {} have?", "pattern", PATTERNS),
            ("How large is the {}?", "size", ("small", "large")),
            ("Where is the {}?", "place", tuple(PLACES)),
        )
    )

    def answer(scene: Scene) -> str:
        found = next(thing for thing in scene.things if thing.product == product)
        return str(getattr(found, field))

    is_choice = rng.random() < 0.5
    return Asked(
        words.format(product),
        "choice" if is_choice else "text",
        answer,
        lambda _, thing: replace(thing, product=product),
        tuple(rng.sample(all_choices, len(all_choices))) if is_choice else (),
        needs_plant=True,
    )


def _what_background(rng: random.Random) -> Asked:
    words = rng.choice(("What colour is the background?", "What is the background?"))
    is_choice = rng.random() < 0.5
    choices = tuple(rng.sample(tuple(BACKGROUNDS), len(BACKGROUNDS))) if is_choice else ()
    return Asked(
        words,
        "choice" if is_choice else "text",
        lambda scene: scene.background,
        choices=choices,
    )


def _what_is_shown(rng: random.Random) -> Asked:
    words = rng.choice(("What is it?", "What is shown?", "What can be seen?", "What is there?"))
    return Asked(words, "text", lambda scene: scene.names)


_MAKERS: tuple[Callable[[random.Random], Asked], ...] = (
    _is_there_product,
    _is_there_product,
    _is_there_coloured,
    _is_there_coloured,
    _is_there_word,
    _is_there_word,
    _is_background,
    _how_many,
    _how_many_of,
    _attribute,
    _attribute,
    _what_background,
    _what_is_shown,
)


def scene_for(seed: int, asked: list[Asked]) -> Scene:
    """A scene of a seed that all these questions can be asked about.

    Questions about different products need as many things; there are up to three.
    """
    rng = random.Random(f"asked {seed}")
    while True:
        needed = sum(one.needs_plant for one in asked)
        count = max(rng.choice((1, 2, 3)), min(needed, 3))
        scene = Scene(rng.choice(tuple(BACKGROUNDS)), things_of(rng, count))
        scene = suited(rng, scene, asked)
        if _all_answerable(scene, asked):
            return scene


def _all_answerable(scene: Scene, asked: list[Asked]) -> bool:
    try:
        for one in asked:
            one.answer(scene)
    except StopIteration:
        return False
    return True
