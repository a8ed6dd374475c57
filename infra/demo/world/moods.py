"""Films of faces."""

from __future__ import annotations

import random
from dataclasses import dataclass

from infra.demo.world.film import SHOT_SECONDS
from infra.demo.world.scene import Face, Scene, face_scene, other
from infra.demo.world.vocabulary import BACKGROUNDS, MOODS


@dataclass(frozen=True)
class MoodShot:
    """A part of a film in which a face has one mood.

    Attributes:
        start_s: Seconds from the film's start.
        end_s: Likewise; the next shot's start.
        scene: The face, and nothing else.
    """

    start_s: float
    end_s: float
    scene: Scene

    @property
    def face(self) -> Face:
        """The face."""
        assert self.scene.face is not None
        return self.scene.face


def mood_film_of(seed: int, shots: int | None = None) -> tuple[MoodShot, ...]:
    """The film of a seed: one to four shots, each of another mood than the one before."""
    rng = random.Random(f"moods {seed}")
    made: list[MoodShot] = []
    for _ in range(shots or rng.randint(1, 4)):
        start = made[-1].end_s if made else 0.0
        before = made[-1].scene if made else None
        ground = other(rng, before.background if before else "", tuple(BACKGROUNDS))
        mood = rng.choice([one for one in MOODS if not made or one != made[-1].face.mood])
        scene = face_scene(rng, mood, ground)
        made.append(MoodShot(start, start + rng.choice(SHOT_SECONDS), scene))
    return tuple(made)
