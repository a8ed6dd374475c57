"""Figures from rows and truth. Pure.

An item for which no row came has the row None, and counts as wrong.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Mapping
from typing import Any

from infra.demo.evaluation.parts import QUESTIONS
from infra.demo.lessons.facts import count_of
from infra.demo.lessons.of_one_picture import WORDS
from infra.demo.lessons.teachers import MOODS
from infra.demo.world.film import Film, Shot, told
from infra.demo.world.scene import Scene
from infra.demo.world.series import Offer, Pair, Series
from infra.demo.world.vocabulary import COLOURS, PATTERNS, PRODUCTS

Row = Mapping[str, Any]
_NAMED = re.compile(
    rf"\b({'|'.join(COLOURS)})(?: (?:{'|'.join(PATTERNS)}))? ({'|'.join(PRODUCTS)})\b"
)


class Tally:
    """Counts of right and wrong answers, by figure."""

    def __init__(self) -> None:
        self._right: dict[str, int] = defaultdict(int)
        self._asked: dict[str, int] = defaultdict(int)

    def add(self, figure: str, is_right: bool) -> None:
        """Count one answer."""
        self._right[figure] += is_right
        self._asked[figure] += 1

    def share(self, figure: str) -> float | None:
        """Of right answers; None if there was none at all."""
        asked = self._asked[figure]
        return self._right[figure] / asked if asked else None

    def asked(self, figure: str) -> int:
        """How many answers there were."""
        return self._asked[figure]


def named(text: str) -> set[tuple[str, str]]:
    """The colours and products that a text names together."""
    return {(colour, product) for colour, product in _NAMED.findall(text.lower())}


def things_of(scene: Scene) -> set[tuple[str, str]]:
    """The colours and products of a scene."""
    return {(thing.colour, thing.product) for thing in scene.things}


def score_caption(tally: Tally, scene: Scene, row: Row | None) -> None:
    """All things with colour and kind, and no other."""
    if scene.face is None:
        told = named(row["caption"]) if row else set()
        tally.add(f"caption_{len(scene.things)}", told == things_of(scene))


def score_tags(tally: Tally, scene: Scene, row: Row | None) -> None:
    """Counts for the micro-F1: see `tags_f1`."""
    given = {tag["tag"] for tag in row["tags"]} if row else set()
    true = set(scene.tags) & set(WORDS)
    for _ in given & true:
        tally.add("tags_found", True)
    for _ in given ^ true:
        tally.add("tags_found", False)


def tags_f1(tally: Tally) -> float | None:
    """Micro-averaged F1: twice the found, by twice the found and all errors."""
    share = tally.share("tags_found")
    return None if share is None else 2 * share / (1 + share)


def score_vqa(tally: Tally, scene: Scene, row: Row | None) -> None:
    """Yes or no, by what is true; numbers."""
    for answered in row["answers"] if row else UNANSWERED:
        true = truth_of(answered["question"], scene)
        if isinstance(true, bool):
            tally.add(f"vqa_{'yes' if true else 'no'}", answered["yes"] is true)
        else:
            tally.add("vqa_number", answered["number"] == true)


def vqa(tally: Tally) -> float | None:
    """The mean of: right where the truth is yes, where it is no, and of numbers.

    Most questions of yes or no are answered by no; a model that always says no must not
    look good.
    """
    shares = [tally.share(f"vqa_{kind}") for kind in ("yes", "no", "number")]
    known = [share for share in shares if share is not None]
    return sum(known) / len(known) if known else None


def truth_of(question: str, scene: Scene) -> bool | int:
    """The answer to one of `parts.QUESTIONS`."""
    *_, last = question.rstrip("?").split()
    if question == "How many things are there?":
        return len(scene.things)
    if question.startswith("How many"):
        return count_of(question.split()[2], scene.things)
    return count_of(last, scene.things) > 0


def score_sentiment(tally: Tally, scene: Scene, row: Row | None) -> None:
    """Label and emotion of a face."""
    if scene.face:
        label, emotion, _ = MOODS[scene.face.mood]
        told = (row["label"], row["emotions"]) if row else None
        tally.add("sentiment", told == (label, [emotion]))


def score_compare(tally: Tally, pair: Pair, row: Row | None) -> None:
    """The one aspect in which they differ, or none."""
    aspects = row and [difference["aspect"] for difference in row["differences"]]
    tally.add("compare", aspects == ([pair.aspect] if pair.aspect else []))


def score_sequence(tally: Tally, series: Series, row: Row | None) -> None:
    """The right thing, in the right place on a journey, at every step."""
    steps = sorted(row["steps"], key=lambda step: step["image"]) if row else []
    right = len(steps) == len(series.things) and all(
        named(step["text"]) == {(thing.colour, thing.product)}
        and (series.kind != "journey" or step["text"].endswith(thing.place))
        for step, thing in zip(steps, series.things, strict=True)
    )
    tally.add("sequence", right)


def score_film(tally: Tally, film: Film, row: Row | None) -> None:
    """Events and what came of them, in order; and where chapters begin and end."""
    chapters = row["chapters"] if row else []
    texts = [chapter["text"] for chapter in chapters]
    for index, shot in enumerate(film.shots):
        told = texts[index] if index < len(texts) else ""
        tally.add("video_event", _tells(told, shot))
    pts = sorted(row["frame_pts"]) if row else []
    for index, shot in enumerate(film.shots):
        inside = [number for number, at in enumerate(pts) if film.shot_at(at) is shot]
        if row and not inside:
            continue
        found = chapters[index]["frame_pts"] if index < len(chapters) else []
        numbers = [pts.index(at) for at in found if at in pts]
        right = bool(numbers) and (
            abs(numbers[0] - inside[0]) <= 1 and abs(numbers[-1] - inside[-1]) <= 1
        )
        tally.add("chapters", right)


def _tells(text: str, shot: Shot) -> bool:
    """Whether a sentence names the thing, what it does, and where to or which colour."""
    subject = (shot.subject.colour, shot.subject.product)
    return subject in named(text) and text.endswith(told("", shot.event.kind, shot.event.after))


def score_listing(tally: Tally, offer: Offer, row: Row | None) -> None:
    """Attributes that a photograph shows, and the seller's contradiction."""
    thing = offer.thing
    truth = {
        "colour": thing.colour,
        "pattern": thing.pattern,
        "striped": "yes" if thing.pattern == "striped" else "no",
    }
    given = {one["name"]: one["value"] for one in row["attributes"]} if row else {}
    for name, value in truth.items():
        tally.add("listing_attributes", given.get(name) == value)
    tally.add("listing_attributes", row is not None and "material" not in given)
    found = {conflict["seen"] for conflict in row["conflicts"]} if row else set()
    if offer.conflict:
        seen = str(getattr(thing, offer.conflict))
        tally.add("conflict_recall", any(seen in one for one in found))
    else:
        tally.add("conflict_false_alarms", bool(found))


UNANSWERED = [
    {"question": asked["question"], "yes": None, "number": None}
    for line in QUESTIONS
    for asked in line
]


Scorer = Callable[[Tally, Any, Row | None], None]
SCORERS: dict[str, Scorer] = {
    "captions": score_caption,
    "tags": score_tags,
    "answers": score_vqa,
    "sentiments": score_sentiment,
    "comparisons": score_compare,
    "sequences": score_sequence,
    "listings": score_listing,
    "video_summaries": score_film,
}
"""By table."""

KINDS: dict[str, tuple[type, ...]] = {
    "captions": (Scene,),
    "tags": (Scene,),
    "answers": (Scene,),
    "sentiments": (Scene,),
    "comparisons": (Pair,),
    "sequences": (Series,),
    "listings": (Offer,),
    "video_summaries": (Film,),
}
"""What a table's rows are judged about; a series that was compared is not."""

FIGURES = (
    *("caption_1", "caption_2", "caption_3", "tags_f1", "vqa", "sentiment"),
    *("compare", "sequence", "video_event", "chapters"),
    *("listing_attributes", "conflict_recall", "conflict_false_alarms"),
)

AIMS = {
    "caption_1": 0.95,
    "caption_2": 0.9,
    "caption_3": 0.8,
    "tags_f1": 0.95,
    "vqa": 0.92,
    "sentiment": 0.95,
    "compare": 0.9,
    "sequence": 0.9,
    "video_event": 0.9,
    "chapters": 0.85,
    "listing_attributes": 0.95,
    "conflict_recall": 0.85,
    "conflict_false_alarms": 0.05,
}
"""What each should reach; false alarms should stay below."""


def figures(tally: Tally) -> dict[str, float | None]:
    """All figures, rounded; None where nothing was asked."""
    found = {"tags_f1": tags_f1(tally), "vqa": vqa(tally)}
    values = {name: found[name] if name in found else tally.share(name) for name in FIGURES}
    return {name: None if v is None else round(v, 4) for name, v in values.items()}
