"""What can be known on the way to an answer, for each kind of lesson."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from itertools import pairwise

from infra.demo.lessons.asking import Asked
from infra.demo.lessons.films import Witnessed
from infra.demo.lessons.lesson import Aside
from infra.demo.world.scene import Scene, words_of
from infra.demo.world.series import ASPECTS, Offer, Pair, Series
from infra.demo.world.vocabulary import (
    BACKGROUNDS,
    COLOURS,
    EVENT_KINDS,
    PATTERNS,
    PLACES,
    PRODUCTS,
)

TRUE, FALSE, SAME, CUT = "true", "false", "same", "cut"
APPEARS, LEAVES = "appears", "leaves"
KNOWN: tuple[str, ...] = tuple(
    dict.fromkeys(
        (
            *(TRUE, FALSE, SAME, CUT, "0", "1", "2", "3", "small", "large"),
            *PRODUCTS,
            *COLOURS,
            *PATTERNS,
            *PLACES,
            *BACKGROUNDS,
            *ASPECTS,
            *EVENT_KINDS,
        )
    )
)
"""All words that asides are about."""


def of_questions(asked: Sequence[Asked], scene: Scene) -> tuple[Aside, ...]:
    """Behind each question: its answer, if that is a word."""
    asides = []
    for number, one in enumerate(asked, start=1):
        answer = one.answer(scene)
        word = str(answer).lower()
        if word in KNOWN:
            asides.append(Aside("user", f"q{number}: {one.question}", word))
    return tuple(asides)


def of_pair(pair: Pair) -> tuple[Aside, ...]:
    """Behind the second picture: in what it differs from the first."""
    return (Aside("picture", 2, pair.aspect or SAME),)


def of_series(series: Series) -> tuple[Aside, ...]:
    """Behind each picture but the first: in what it differs from the one before."""
    aspect = {"parade": "kind", "journey": "place", "recolouring": "colour"}[series.kind]
    numbers = range(2, len(series.scenes) + 1)
    return tuple(Aside("picture", number, aspect) for number in numbers)


def of_film(shots: Sequence[Witnessed]) -> tuple[Aside, ...]:
    """Behind each frame but the first: what is new since the one before."""
    asides = []
    for number, shot in enumerate(shots):
        if number:
            asides.append(Aside("picture", shot.frames[0], CUT))
        for frame, (before, after) in zip(shot.frames[1:], pairwise(shot.seen), strict=True):
            word = SAME if before == after else str(shot.shot.event.kind)
            asides.append(Aside("picture", frame, word))
    return tuple(asides)


_CLAIMS = re.compile(rf"\b({'|'.join((*COLOURS, *PATTERNS, *PRODUCTS))})\b", re.IGNORECASE)


def of_offer(offer: Offer, context: Mapping[str, str]) -> tuple[Aside, ...]:
    """Behind each word that the seller says of the thing: whether it is true."""
    true = set(words_of(offer.thing))
    return tuple(
        Aside(
            "user",
            f'{name}: "{text[: claim.end()]}',
            TRUE if claim[0].lower() in true else FALSE,
        )
        for name, text in context.items()
        for claim in _CLAIMS.finditer(text)
    )
