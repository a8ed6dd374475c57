"""Who has taken up what, and what died of it.

An item that kills its worker is found by trying the suspects alone. This is the pure part of
that: what is known, and what follows from it for those who take something up. Workers reach it
through the board (`pipeline.blame`); what of it outlives a whole run is in `pipeline.traces`.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Literal

Turn = Literal["together", "alone", "leave"]
"""How a worker takes items up: with others, each alone, or not at all, as the run is ending."""

LONE_FROM = 2
"""Runs that die while an item is in hand with others, from which on it is tried alone. After
one, it goes with the others once more: most of such runs were killed from outside."""


def name_of(item_id: str, version: str, part: int | None = None) -> str:
    """What a worker is blamed for: a version of an item, or one part of it."""
    about = [item_id, version] if part is None else [item_id, version, part]
    return json.dumps(about, ensure_ascii=False)


@lru_cache(maxsize=4096)
def whole_of(name: str) -> str:
    """The name of the item of which this is the name of a part, or its own."""
    item_id, version, *_ = json.loads(name)
    return name_of(item_id, version)


@dataclass(frozen=True)
class Deaths:
    """Whole runs that died while an item was in hand.

    Attributes:
        with_others: While others were as well.
        alone: While nothing else was, by stage.
    """

    with_others: int = 0
    alone: Mapping[str, int] = field(default_factory=dict)

    @property
    def is_suspect(self) -> bool:
        """Whether the item is to be tried alone."""
        return bool(self.alone) or self.with_others >= LONE_FROM


NONE = Deaths()


class Journal:
    """What the workers of a run hold, so that it is known when one dies.

    Args:
        deaths: Of the runs before this one, by the name of an item.
    """

    def __init__(self, deaths: Mapping[str, Deaths] | None = None) -> None:
        self._deaths = deaths or {}
        self._begun: dict[str, Counter[str]] = defaultdict(Counter)
        self._begun_alone: dict[str, Counter[str]] = defaultdict(Counter)
        self._given: dict[str, Counter[str]] = defaultdict(Counter)
        self._draining = False

    def begin(self, stage: str, names: Iterable[str]) -> Turn:
        """Note that a worker takes items up; says how.

        Alone, if one died on any of them before.
        """
        if self._draining:
            return "leave"
        taken, begun = list(names), self._begun[stage]
        died = any(name in begun for name in taken)
        begun.update(taken)
        return "alone" if died else "together"

    def begin_alone(self, stage: str, name: str) -> int:
        """Note that a worker takes up one item and no other; answers how many died so."""
        before = self._deaths.get(whole_of(name), NONE).alone.get(stage, 0)
        died = self._begun_alone[stage][name]
        self._begun_alone[stage][name] += 1
        return before + died

    def gave(self, stage: str, name: str, windows: int) -> None:
        """Note how many windows of an item taken up alone are there."""
        self._given[stage][name] = windows

    def given(self, stage: str, name: str) -> int:
        """How many windows of an item were there."""
        return self._given[stage][name]

    def end(self, stage: str, names: Iterable[str]) -> None:
        """Note that items are through."""
        ended = list(names)
        for counter in (self._begun[stage], self._begun_alone[stage], self._given[stage]):
            for name in ended:
                counter.pop(name, None)

    def drain(self) -> None:
        """From now on no items are taken up."""
        self._draining = True

    def in_hand(self, stage: str) -> int:
        """How many items a stage's workers have taken up and not brought to their end."""
        return len(self._begun[stage])

    def items_in_hand(self) -> list[str]:
        """The names of the items that any stage has in hand, whole or in part, in order."""
        return sorted({whole_of(name) for begun in self._begun.values() for name in begun})
