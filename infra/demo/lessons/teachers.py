"""The true answer of each task, in the form the task asks for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from infra.demo.lessons.asking import Asked
from infra.demo.lessons.facts import choices_of, true_words
from infra.demo.lessons.lesson import Teacher
from infra.demo.world.scene import Scene, Thing, words_of
from infra.demo.world.series import Offer, Pair, Series
from infra.demo.world.vocabulary import PATTERNS, capitalised, indefinite
from operators.taxonomy import NONE

MOODS = {
    "happy": ("positive", "joy", "a face that smiles broadly"),
    "sad": ("negative", "sadness", "a face with its mouth turned down"),
    "angry": ("negative", "anger", "a face with its teeth shown and its brows drawn down"),
    "calm": ("neutral", "calm", "a face with closed eyes and a straight mouth"),
}
"""Label, emotion and evidence of each mood."""


def caption(scene: Scene) -> Teacher:
    """Short: names; all other styles: everything there is."""

    def teach(question: Any, options: Any) -> dict[str, Any]:
        return {"caption": scene.names if options.style == "short" else scene.caption}

    return teach


def tags(scene: Scene) -> Teacher:
    """Freely, from a vocabulary, or at one level of a taxonomy."""

    def teach(question: Any, options: Any) -> dict[str, Any]:
        allowed = choices_of(question.schema)
        if allowed is None:
            return {"tags": [*scene.tags][: options.max_tags]}
        chosen = true_words(allowed, [scene])[: options.max_tags]
        return {"tags": chosen or ([NONE] if NONE in allowed else [])}

    return teach


def vqa(scene: Scene, asked: Sequence[Asked]) -> Teacher:
    """One value a question, by its key."""

    def teach(question: Any, options: Any) -> dict[str, Any]:
        return {f"q{number}": one.answer(scene) for number, one in enumerate(asked, start=1)}

    return teach


def sentiment(scene: Scene) -> Teacher:
    """From the face; without one nothing moves anybody."""

    def teach(question: Any, options: Any) -> dict[str, Any]:
        if scene.face is None:
            return {"evidence": "no face, only things", "emotions": [], "label": "neutral"}
        label, emotion, evidence = MOODS[scene.face.mood]
        return {"evidence": evidence, "emotions": [emotion], "label": label}

    return teach


def extract(scene: Scene) -> Teacher:
    """Whatever fields of the first thing the schema asks for."""
    first = scene.things[0]
    facts = {
        "product": first.product,
        "kind": first.product,
        "colour": first.colour,
        "pattern": first.pattern,
        "size": first.size,
        "place": first.place,
        "background": scene.background,
        "count": len(scene.things),
        "striped": first.pattern == "striped",
        "dotted": first.pattern == "dotted",
        "brand": None,
    }

    def teach(question: Any, options: Any) -> dict[str, Any]:
        return {name: facts[name] for name in question.answer.model_fields}

    return teach


def sequence(series: Series) -> Teacher:
    """The description, and a step an image."""

    def teach(question: Any, options: Any) -> dict[str, Any]:
        steps = [{"image": n, "text": step} for n, step in enumerate(series.steps, start=1)]
        return {"description": series.description, "steps": steps[: options.max_steps]}

    return teach


def compare(pair: Pair) -> Teacher:
    """What is shared, aspect by aspect; then the one that is not, and the verdict."""

    def teach(question: Any, options: Any) -> dict[str, Any]:
        first, second = pair.first, pair.second
        count = len(first.things)
        counted = f"both show {count} thing{'s' if count > 1 else ''}"
        shared = [counted] if count == len(second.things) else []
        shared += [
            f"both show {indefinite(in_common(one, other))}"
            for one, other in zip(first.things, second.things, strict=False)
        ]
        if first.background == second.background:
            shared.append(f"both have a {first.background} background")
        differences = []
        if pair.aspect is not None:
            differences = [{"aspect": pair.aspect, "text": pair.difference}]
        return {
            "similarities": shared[: options.max_points],
            "differences": differences,
            "verdict": pair.verdict,
        }

    return teach


def in_common(one: Thing, other: Thing) -> str:
    """All that two things share, such as "large red plain mug at the left"."""
    shared = [
        getattr(one, field)
        for field in ("size", "colour", "pattern")
        if getattr(one, field) == getattr(other, field)
    ]
    shared.append(one.product if one.product == other.product else "thing")
    shared += [one.place] if one.place == other.place else []
    return " ".join(shared)


def story(scenes: Sequence[Scene]) -> Teacher:
    """A short one that names all there is."""

    def teach(question: Any, options: Any) -> dict[str, Any]:
        first = scenes[0].shown[0]
        told = [f"Once there was {scenes[0].names}."]
        told += [f"Then came {scene.names}." for scene in scenes[1:]]
        told.append("And all was well.")
        return {"title": f"The {first.name}", "story": " ".join(told)}

    return teach


def listing(offer: Offer) -> Teacher:
    """First the category, then what its attributes are and what the seller got wrong."""
    thing = offer.thing

    def teach(question: Any, options: Any) -> dict[str, Any]:
        fields = question.answer.model_fields
        if "category" in fields:
            known = {category.name for category in options.categories}
            return {"category": thing.product if thing.product in known else "other"}
        answer: dict[str, Any] = {
            "title": capitalised(thing.name),
            "description": f"This is {indefinite(thing.name)}.",
        }
        if "attributes" in fields:
            category = options.category(thing.product)
            answer["attributes"] = {
                f"a{n}": _attribute(asked, thing)
                for n, asked in enumerate(category.attributes, start=1)
            }
        answer["tags"] = [*words_of(thing)][: options.max_tags]
        answer["conflicts"] = [_conflict(offer)] if offer.conflict else []
        return answer

    return teach


def _conflict(offer: Offer) -> dict[str, Any]:
    assert offer.conflict
    claim, seen = (getattr(one, offer.conflict) for one in (offer.claimed, offer.thing))
    return {"claim": claim, "seen": seen, "image": 1}


def _attribute(asked: Any, thing: Thing) -> dict[str, Any] | None:
    value = _VALUES[asked.name](thing) if asked.name in _VALUES else None
    if asked.choices and value not in asked.choices:
        value = None
    return None if value is None else {"value": value, "image": 1}


_VALUES: dict[str, Any] = {
    "colour": lambda thing: thing.colour,
    "pattern": lambda thing: thing.pattern,
    "striped": lambda thing: thing.pattern == "striped",
    "dotted": lambda thing: thing.pattern == "dotted",
    "handle": lambda thing: thing.product in ("mug", "bag"),
    "laces": lambda thing: thing.product == "shoe",
    "sleeves": lambda thing: "short" if thing.product == "shirt" else None,
}
"""Attributes that photographs show; material and the like they do not."""

ATTRIBUTES: dict[str, Any] = {
    "colour": None,
    "pattern": list(PATTERNS),
    "striped": "yes_no",
    "dotted": "yes_no",
    "material": "text",
    "brand": "text",
}
"""What may be asked of any product; None stands for the list of all colours."""
