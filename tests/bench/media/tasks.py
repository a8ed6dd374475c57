"""What a contender is told and what it answers. Standard library alone: peers import it."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class Case:
    """One file of which pictures are wanted.

    Attributes:
        path: The file.
        width: Of the pictures, pixels.
        height: Of the pictures, pixels.
        frames: The numbers of the frames wanted, ascending; empty for an image.
        fps: Frames a second; constant. So frame n is on screen from n / fps on.
        keyframes: The numbers of the keyframes, for those that cannot find them out.
    """

    path: str
    width: int
    height: int
    frames: tuple[int, ...] = ()
    fps: int = 25
    keyframes: tuple[int, ...] = ()

    def nearest_keyframes(self, known: list[int] | None = None) -> list[int]:
        """The keyframe nearest to each wanted frame.

        Args:
            known: The keyframes' numbers, if the contender has found them out itself.
        """
        keys = known or list(self.keyframes)
        return [min(keys, key=lambda key: abs(key - frame)) for frame in self.frames]


@dataclass(frozen=True)
class Task:
    """What one process of a contender does.

    Attributes:
        way: Which of the contender's ways.
        cases: What is measured.
        warm_up: Done before, all together, so that nobody is measured while it loads libraries
            or takes memory that it does not have yet.
        threads: Of the decoder.
    """

    way: str
    cases: tuple[Case, ...]
    warm_up: tuple[Case, ...] = ()
    threads: int = 1

    def save(self, path: Path) -> None:
        """Write it as JSON."""
        path.write_text(json.dumps(asdict(self)))

    @classmethod
    def load(cls, path: Path) -> Task:
        """Read what `save` wrote."""
        read = json.loads(path.read_text())
        return cls(
            read["way"],
            tuple(_case(case) for case in read["cases"]),
            tuple(_case(case) for case in read["warm_up"]),
            read["threads"],
        )


def _case(read: dict) -> Case:
    sequences = {name: tuple(read[name]) for name in ("frames", "keyframes")}
    return Case(**read | sequences)


@dataclass(frozen=True)
class Outcome:
    """What one process of a contender used.

    Attributes:
        cpu_s: CPU seconds, user and system, of itself and its children.
        wall_s: Seconds on the clock.
        begun: When it began, on the machine's monotonic clock.
        pictures: How many it gave.
        unable: Why it could not do the work; empty if it did.
        details: What else is worth knowing.
    """

    cpu_s: float = 0.0
    wall_s: float = 0.0
    begun: float = 0.0
    pictures: int = 0
    unable: str = ""
    details: dict[str, float] = field(default_factory=dict)

    def save(self, path: Path) -> None:
        """Write it as JSON."""
        path.write_text(json.dumps(asdict(self)))

    @classmethod
    def load(cls, path: Path) -> Outcome:
        """Read what `save` wrote."""
        return cls(**json.loads(path.read_text()))
