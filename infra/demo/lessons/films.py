"""The true answers about a film, as far as the frames that are shown tell them."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from infra.demo.lessons.facts import choices_of, is_true, true_words
from infra.demo.lessons.lesson import Teacher
from infra.demo.lessons.teachers import MOODS
from infra.demo.world.film import Film, Shot, summary_of, tags_of, told
from infra.demo.world.moods import MoodShot
from infra.demo.world.scene import Scene, Thing
from infra.demo.world.vocabulary import COLOURS, EVENT_KINDS, EventKind, indefinite
from operators.tasks.descent import MAX_SIGHTINGS
from operators.tasks.video_qa import MAX_EVIDENCE
from operators.tasks.video_windows import MAX_MOMENTS
from operators.taxonomy import NONE


@dataclass(frozen=True)
class Witnessed:
    """A shot as its frames show it.

    Attributes:
        shot: Which.
        frames: Numbers of its frames, from 1; at least one.
        seen: The thing in each of them.
    """

    shot: Shot
    frames: tuple[int, ...]
    seen: tuple[Thing | None, ...]

    @property
    def change(self) -> int | None:
        """The index of the first frame that shows the thing otherwise than before."""
        return next(
            (at for at, (a, b) in enumerate(pairwise(self.seen), start=1) if a != b), None
        )

    @property
    def kind(self) -> EventKind | None:
        """What is seen to happen."""
        return None if self.change is None else self.shot.event.kind

    @property
    def thing(self) -> Thing | None:
        """As it is seen first; None if no frame shows it."""
        return next((thing for thing in self.seen if thing), None)

    @property
    def after(self) -> Thing | None:
        """As it is seen last; None if it has left."""
        return self.seen[-1]

    @property
    def sentence(self) -> str:
        """What happens in the shot."""
        if self.thing is None:
            return f"an empty {self.shot.background} background"
        return told(self.thing.phrase, self.kind, self.after)

    @property
    def title(self) -> str:
        """The thing's name."""
        return self.thing.name if self.thing else "nothing"

    @property
    def moment(self) -> str:
        """The event in a few words."""
        return told(f"the {self.title}", self.kind, self.after)

    @property
    def moment_frame(self) -> int:
        """The number of the frame that shows what came of the event; or of the first."""
        return self.frames[self.change or 0]


def witnessed(film: Film, pts_s: Sequence[float]) -> list[Witnessed]:
    """The shots of which frames are shown, in order.

    Args:
        film: What was filmed.
        pts_s: The seconds of the frames.
    """
    found = []
    for shot in film.shots:
        numbers = [n for n, at in enumerate(pts_s, start=1) if film.shot_at(at) is shot]
        if numbers:
            seen = tuple(shot.seen(pts_s[n - 1]) for n in numbers)
            found.append(Witnessed(shot, tuple(numbers), seen))
    return found


def summary(shots: Sequence[Witnessed]) -> Teacher:
    """A chapter a shot, a key moment an event."""

    def teach(question: Any, options: Any) -> dict[str, Any]:
        answer: dict[str, Any] = {
            "summary": summary_of([one.sentence for one in shots]),
            "chapters": [
                {
                    "first_frame": one.frames[0],
                    "last_frame": one.frames[-1],
                    "title": one.title,
                    "text": one.sentence,
                }
                for one in shots[: options.max_chapters]
            ],
            "key_moments": _moments(shots, options.max_moments),
            "key_points": [_point(one) for one in shots][: options.max_points],
        }
        if options.style == "lecture":
            asked = [f"What happens to the {one.title}?" for one in shots]
            answer["questions"] = asked[: options.max_questions]
        answer["tags"] = [*_tags(shots)][: options.max_tags]
        return answer

    return teach


def window(shots: Sequence[Witnessed]) -> Teacher:
    """Of a part of a longer film."""

    def teach(question: Any, options: Any) -> dict[str, Any]:
        return {
            "title": shots[0].title,
            "text": summary_of([one.sentence for one in shots]),
            "moments": _moments(shots, MAX_MOMENTS),
        }

    return teach


def tags(shots: Sequence[Witnessed]) -> Teacher:
    """Each with the frames that show it."""
    scenes = [Scene(one.shot.background, tuple(t for t in one.seen if t)) for one in shots]

    def teach(question: Any, options: Any) -> dict[str, Any]:
        allowed = choices_of(question.schema)
        words = [*_tags(shots)] if allowed is None else true_words(allowed, scenes)
        sightings = [(word, _frames_of(word, shots)[:MAX_SIGHTINGS]) for word in words]
        given = [{"tag": word, "frames": frames} for word, frames in sightings if frames]
        given = given[: options.max_tags]
        if not given and allowed and NONE in allowed:
            given = [{"tag": NONE, "frames": [1]}]
        return {"tags": given}

    return teach


def qa(shots: Sequence[Witnessed], asked: Sequence[FilmQuestion]) -> Teacher:
    """An answer and its frames for each question."""

    def teach(question: Any, options: Any) -> dict[str, Any]:
        return {f"q{n}": one.answer(shots) for n, one in enumerate(asked, start=1)}

    return teach


def moods(shots: Sequence[MoodShot], pts_s: Sequence[float]) -> Teacher:
    """A part of the timeline a shot; mixed if the labels differ."""
    parts, evidence = [], []
    for shot in shots:
        frames = [n for n, at in enumerate(pts_s, start=1) if shot.start_s <= at < shot.end_s]
        if not frames:
            continue
        label, emotion, seen = MOODS[shot.face.mood]
        span = {"first_frame": frames[0], "last_frame": frames[-1]}
        parts.append({**span, "label": label, "emotion": emotion})
        evidence.append(seen)
    labels = {part["label"] for part in parts}

    def teach(question: Any, options: Any) -> dict[str, Any]:
        return {
            "timeline": parts[: options.max_spans],
            "evidence": evidence[0],
            "label": parts[0]["label"] if len(labels) == 1 else "mixed",
        }

    return teach


@dataclass(frozen=True)
class FilmQuestion:
    """A question about a film.

    Attributes:
        words: As it is asked.
        type: Of the answer.
        about: What is asked: ``event``, ``colour``, ``shots``, ``first``, ``last``, ``all``.
        word: The event or colour in it.
    """

    words: str
    type: str
    about: str
    word: str = ""

    def option(self) -> dict[str, Any]:
        """As a job file has it."""
        return {"question": self.words, "type": self.type}

    def answer(self, shots: Sequence[Witnessed]) -> dict[str, Any]:
        """The frames that show it, and the answer."""
        told, frames = self._told(shots)
        return {"frames": frames[:MAX_EVIDENCE], "answer": told}

    def _told(self, shots: Sequence[Witnessed]) -> tuple[Any, list[int]]:
        if self.about == "event":
            found = [one for one in shots if one.kind == self.word]
            return bool(found), [one.moment_frame for one in found]
        if self.about == "colour":
            frames = _frames_of(self.word, shots)
            return bool(frames), frames
        if self.about == "shots":
            return len(shots), [one.frames[0] for one in shots]
        if self.about == "first":
            named = [one for one in shots if one.thing] or list(shots)
            return named[0].title, [named[0].moment_frame]
        if self.about == "last":
            named = [one for one in shots if one.thing] or list(shots)
            return named[-1].title, [named[-1].moment_frame]
        return summary_of([one.sentence for one in shots]), [one.moment_frame for one in shots]


def film_questions(rng: random.Random, count: int) -> list[FilmQuestion]:
    """Different questions about any film."""
    event, colour = rng.choice(EVENT_KINDS), rng.choice(tuple(COLOURS))
    happens = {
        "appears": "Does anything appear?",
        "moves": "Does anything move?",
        "changes colour": "Does anything change its colour?",
        "leaves": "Does anything leave?",
    }[event]
    all_ = [
        FilmQuestion(happens, "yes_no", "event", event),
        FilmQuestion(f"Is anything {colour}?", "yes_no", "colour", colour),
        FilmQuestion("How many shots are there?", "number", "shots"),
        FilmQuestion("What is shown first?", "text", "first"),
        FilmQuestion("What is shown last?", "text", "last"),
        FilmQuestion("What happens?", "text", "all"),
    ]
    return rng.sample(all_, count)


def _moments(shots: Sequence[Witnessed], most: int) -> list[dict[str, Any]]:
    eventful = [one for one in shots if one.kind] or list(shots[:1])
    return [
        {"first_frame": one.moment_frame, "last_frame": one.moment_frame, "title": one.moment}
        for one in eventful[:most]
    ]


def _point(one: Witnessed) -> str:
    return indefinite(one.title) if one.thing else "an empty background"


def _tags(shots: Sequence[Witnessed]) -> tuple[str, ...]:
    return tags_of([thing for one in shots for thing in one.seen if thing])


def _frames_of(word: str, shots: Sequence[Witnessed]) -> list[int]:
    return [
        number
        for one in shots
        for number, thing in zip(one.frames, one.seen, strict=True)
        if is_true(word, Scene(one.shot.background, (thing,) if thing else ()))
    ]
