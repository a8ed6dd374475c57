"""What a film shows: shots, and what happens in each."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace

from infra.demo.world.scene import Thing, changed, other, thing_of, words_of
from infra.demo.world.vocabulary import BACKGROUNDS, EVENT_KINDS, EventKind, joined

SHOT_SECONDS = (2.0, 2.5, 3.0)
MOST_SHOTS = 5

STILL = 0.75
"""The share of shots in which nothing happens, in a film of which much is still."""

LENGTHENED = (0.5, 1, 2, 5, 30)
"""By how much shots of a long film are held longer."""

_MOVE_S = 0.8
"""How long it takes a thing to get from place to place."""


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
        assert thing, "a shot shows something before or after its event"
        return thing

    @property
    def sentence(self) -> str:
        """Such as "a large red mug at the left moves to the right"."""
        return told(self.subject.phrase, self.event.kind, self.event.after)

    def seen(self, at_s: float) -> Thing | None:
        """The thing at a second from the film's start; None if there is none.

        While it moves it counts as where it came from.
        """
        if at_s < self.event.start_s:
            return self.before
        if self.before and self.event.after and at_s < self.event.end_s:
            return self.before
        return self.event.after


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
        """Products, colours and patterns seen in any shot, each once."""
        seen = [thing for s in self.shots for thing in (s.before, s.event.after) if thing]
        return tags_of(seen)

    def shot_at(self, at_s: float) -> Shot:
        """The shot of a second from the film's start."""
        return next((one for one in self.shots if at_s < one.end_s), self.shots[-1])


def stilled(film: Film, rng: random.Random) -> Film:
    """The same film, in most shots of which nothing happens: as most of a long one is."""
    return Film(tuple(_still(one) if rng.random() < STILL else one for one in film.shots))


def _still(shot: Shot) -> Shot:
    """The same shot; the thing would leave long after it."""
    never = shot.end_s + 10 * (shot.end_s - shot.start_s)
    return replace(shot, before=shot.subject, event=Event("leaves", never, never, None))


def lengthened(film: Film, rng: random.Random) -> Film:
    """The same film, whose shots are held for seconds or for minutes."""
    shots: list[Shot] = []
    for shot in film.shots:
        start = shots[-1].end_s if shots else 0.0
        end = start + (shot.end_s - shot.start_s) * rng.choice(LENGTHENED)
        event = start + (end - start) * rng.uniform(0.1, 0.9)
        lasts = shot.event.end_s - shot.event.start_s
        happens = replace(shot.event, start_s=event, end_s=event + lasts)
        shots.append(replace(shot, start_s=start, end_s=end, event=happens))
    return Film(tuple(shots))


def told(subject: str, kind: EventKind | None, after: Thing | None) -> str:
    """What happens to a thing, in a sentence.

    Args:
        subject: What the thing is called.
        kind: What happens; None if nothing is seen to.
        after: The thing as it is then.
    """
    if kind == "moves" and after:
        return f"{subject} moves to {after.place.partition(' ')[2]}"
    if kind == "changes colour" and after:
        return f"{subject} turns {after.colour}"
    return f"{subject} {kind or 'stays'}"


def tags_of(things: Sequence[Thing]) -> tuple[str, ...]:
    """Products, colours and patterns of things, each once."""
    return tuple(dict.fromkeys(word for thing in things for word in words_of(thing)))


def summary_of(sentences: Sequence[str]) -> str:
    """One sentence from those of a film's shots."""
    return joined(tuple(sentences)) if len(sentences) < 3 else ", then ".join(sentences)


def film_of(seed: int, shots: int | None = None) -> Film:
    """The film of a seed: shots of 2 to 3 seconds, in each of which something happens.

    Args:
        seed: Any number.
        shots: How many; the seed decides, 1 to `MOST_SHOTS`, if None.
    """
    rng = random.Random(seed)
    made: list[Shot] = []
    ground = ""
    for _ in range(shots or rng.randint(1, MOST_SHOTS)):
        ground = other(rng, ground, tuple(BACKGROUNDS))
        made.append(_shot(rng, made[-1].end_s if made else 0.0, ground))
    return Film(tuple(made))


def _shot(rng: random.Random, start_s: float, background: str) -> Shot:
    end_s = start_s + rng.choice(SHOT_SECONDS)
    kind = rng.choice(EVENT_KINDS)
    thing = thing_of(rng)
    # In the middle: a frame a second shows what was before and what came of it.
    begins = (start_s + end_s) / 2
    if kind == "moves":
        moved, begins = changed(rng, thing, "place"), begins - _MOVE_S / 2
        moving = Event(kind, begins, begins + _MOVE_S, moved)
        return Shot(start_s, end_s, background, thing, moving)
    before: Thing | None = thing
    after: Thing | None = None
    if kind == "appears":
        before, after = None, thing
    if kind == "changes colour":
        after = changed(rng, thing, "colour")
    return Shot(start_s, end_s, background, before, Event(kind, begins, begins, after))
