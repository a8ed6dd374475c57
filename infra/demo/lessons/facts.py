"""Whether a word is true of a scene: for tags, vocabularies and questions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from infra.demo.world.scene import Scene, Thing
from infra.demo.world.vocabulary import PATTERNS

SYNONYMS = {
    "cup": "mug",
    "tee": "shirt",
    "t-shirt": "shirt",
    "sneaker": "shoe",
    "light": "lamp",
    "handbag": "bag",
    "flask": "bottle",
    "violet": "purple",
    "product": "thing",
    "backdrop": "background",
    "mood": "face",
    "person": "face",
}
GROUPS = {
    "kitchen": ("mug", "bottle"),
    "clothing": ("shirt", "shoe"),
    "furniture": ("chair", "lamp"),
    "toys": ("ball", "star"),
    "accessories": ("bag", "clock"),
}
"""Kinds of products, as shops sort them."""


def is_true(word: str, scene: Scene) -> bool:
    """Whether a tag fits a scene."""
    word = SYNONYMS.get(word, word)
    if word in ("thing", "colour"):
        return bool(scene.things)
    if word == "background":
        return True
    if word == "pattern":
        return any(thing.pattern != "plain" for thing in scene.things)
    if word in GROUPS:
        return any(thing.product in GROUPS[word] for thing in scene.things)
    if word == "plain":
        return any(thing.pattern == "plain" for thing in scene.things)
    return word in scene.tags


def true_words(words: Sequence[str], scenes: Sequence[Scene]) -> list[str]:
    """Those that fit one of the scenes: things first, one after the other, then the rest.

    Of several words for the same only one is kept, the tag before its synonyms.
    """
    ranks = [word for scene in scenes for word in scene.tags]

    def rank(word: str) -> int:
        meant = SYNONYMS.get(word, word)
        return ranks.index(meant) if meant in ranks else len(ranks)

    named: dict[str, str] = {}
    for word in sorted(words, key=lambda one: one in SYNONYMS):
        if any(is_true(word, scene) for scene in scenes):
            named.setdefault(SYNONYMS.get(word, word), word)
    return sorted(named.values(), key=rank)


def choices_of(schema: Mapping[str, Any]) -> list[str] | None:
    """The tags that an answer's schema allows; None if they are free."""
    tag = schema["properties"]["tags"]["items"]
    tag = tag.get("properties", {}).get("tag", tag)
    return list(tag["enum"]) if "enum" in tag else [tag["const"]] if "const" in tag else None


def count_of(word: str, things: Sequence[Thing]) -> int:
    """How many things a product, colour, pattern or size is true of."""
    if word in PATTERNS:
        return sum(thing.pattern == word for thing in things)
    return sum(word in (thing.product, thing.colour, thing.size) for thing in things)
