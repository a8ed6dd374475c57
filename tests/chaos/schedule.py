"""What is killed and when, from one seed."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum


class Kind(StrEnum):
    """What a kill hits."""

    DRIVER = "driver"
    """The process of `tagline run`."""

    WORKER = "worker"
    """One decode worker."""

    ENGINE = "engine"
    """The engine's own process, or the actor that drives it."""

    RAY = "ray"
    """All of the local Ray, under a driver that lives."""

    STORE = "store"
    """The S3 server, which comes back with its data after a while."""

    SPILL_DISK = "spill_disk"
    """Nobody: the disk on which Ray logs and spills is full for a while."""


ENDS_A_RUN = frozenset({Kind.DRIVER, Kind.RAY})
"""After these a run must be started again; it has to live through the others."""

GAP_S = (0.5, 5.0)
EARLY_GAP_S = (0.5, 12.0)
OUTAGE_S = (0.5, 2.5)
EARLY_SHARE = 0.25


@dataclass(frozen=True)
class Kill:
    """One kill.

    Attributes:
        kind: What is hit.
        delay_s: Seconds from the kill before it in the same run, or from the run's first
            request to its engine.
        early: Whether to count from the start of the run in place of its first request,
            so that listing, planning and the start of Ray are hit as well.
        pick: In [0, 1): which of several processes.
        outage_s: How long a store is away, or a disk full.
    """

    kind: Kind
    delay_s: float
    early: bool
    pick: float
    outage_s: float


def make_schedule(seed: int, kills: int, kinds: Sequence[Kind]) -> list[Kill]:
    """Draw a schedule; the same for the same arguments.

    Each kind comes as often as any other, give or take one.

    Args:
        seed: Of the random numbers.
        kills: How many.
        kinds: What may be hit.
    """
    chance = random.Random(seed)
    drawn = [kinds[number % len(kinds)] for number in range(kills)]
    chance.shuffle(drawn)
    return [_kill(kind, chance) for kind in drawn]


def _kill(kind: Kind, chance: random.Random) -> Kill:
    # Drawn for every kind, so that one kill's kind does not move the moments of the others.
    gap, early_gap = chance.uniform(*GAP_S), chance.uniform(*EARLY_GAP_S)
    early = chance.random() < EARLY_SHARE and kind in (*ENDS_A_RUN, Kind.STORE)
    return Kill(
        kind=kind,
        delay_s=early_gap if early else gap,
        early=early,
        pick=chance.random(),
        outage_s=chance.uniform(*OUTAGE_S),
    )
