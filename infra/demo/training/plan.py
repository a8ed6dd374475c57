"""What is learned when: to see, then to tell what is seen, then both together."""

from __future__ import annotations

import random
import signal
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import accumulate, pairwise

import torch
from torch.utils.data import DataLoader, Dataset

from infra.demo.checkpoint.architecture import Architecture
from infra.demo.lessons.curriculum import group_of
from infra.demo.lessons.lesson import Lesson, Shown
from infra.demo.lessons.photographs import SHAPES, Sizes, any_scene, photographed
from infra.demo.training.examples import Encoder, Step
from infra.demo.training.learner import Rise, Schedule
from infra.demo.training.packing import Packed, pack
from infra.demo.world.seeds import TRAINING_SEEDS

GROUP_SIZES = {
    "sequence": 4,
    "story": 4,
    "listing": 7,
    "compare": 6,
    "video_summary": 3,
    "video_windows": 3,
    "video_parts": 2,
    "video_qa": 4,
    "video_tags": 3,
    "video_sentiment": 4,
}
"""Lessons of a group; of tasks that show one picture `SINGLE`."""

SINGLE = 8
SEEDS_A_GROUP = 16

PICTURES = 48
"""Of a step in which only seeing is learned; fewer if they are cut into slices."""

TASKS_OF_ONE_PICTURE = {
    "caption": 5.0,
    "tags": 2.0,
    "vqa": 4.0,
    "extract": 1.5,
    "sentiment": 0.5,
}
LOOKING = {
    "one_question": 6.0,
    "vqa": 3.0,
    "listing": 4.0,
    "compare": 2.0,
    "sequence": 1.5,
    "video_summary": 2.5,
    "caption": 1.0,
    "tags": 1.0,
}
ALL_TASKS = {
    "caption": 3.0,
    "tags": 2.5,
    "vqa": 5.0,
    "extract": 0.5,
    "sentiment": 0.5,
    "compare": 4.0,
    "sequence": 2.0,
    "listing": 5.0,
    "story": 0.2,
    "video_summary": 3.0,
    "video_qa": 0.6,
    "video_tags": 0.6,
    "video_windows": 0.3,
    "video_parts": 0.4,
    "video_sentiment": 0.4,
}
REPEATING = {
    "caption": 3.0,
    "tags": 3.0,
    "vqa": 4.0,
    "extract": 1.5,
    "sentiment": 1.0,
    "compare": 2.0,
    "sequence": 2.0,
    "listing": 3.0,
    "story": 0.8,
    "video_summary": 3.0,
    "video_qa": 2.0,
    "video_tags": 2.0,
    "video_sentiment": 1.2,
    "video_windows": 1.0,
    "video_parts": 1.5,
}
EVERYTHING = {
    "caption": 3.0,
    "tags": 2.5,
    "vqa": 6.0,
    "one_question": 1.5,
    "extract": 1.2,
    "sentiment": 0.7,
    "compare": 4.0,
    "sequence": 3.0,
    "listing": 5.0,
    "story": 0.7,
    "video_summary": 4.0,
    "video_qa": 2.0,
    "video_tags": 1.2,
    "video_sentiment": 1.0,
    "video_windows": 0.8,
    "video_parts": 1.0,
}
"""How often each comes. What `LOOKING` leaves out is forgotten, and comes again in the end."""


@dataclass(frozen=True)
class Stage:
    """A part of the training.

    Attributes:
        steps: How many.
        sliced: Share of groups whose pictures are cut into slices.
        weights: How often each task comes. If there is none, vision tower and resampler
            learn alone, to name what is where.
        anew: Whether the learning rate rises and falls anew from here on.
        together: Whether the vision tower learns to answer too. Else it rests, so that a
            step takes half the time.
        groups: Of lessons, in a step.
        rate: Highest learning rate, as a multiple of the training's.
    """

    steps: int
    sliced: float
    weights: dict[str, float]
    anew: bool = False
    together: bool = False
    groups: int = 3
    rate: float = 1.0


@dataclass(frozen=True)
class Plan:
    """The stages of a training, one after the other."""

    stages: tuple[Stage, ...]

    @property
    def steps(self) -> int:
        """Of all stages."""
        return sum(stage.steps for stage in self.stages)

    @property
    def starts(self) -> list[int]:
        """The number of the first step of each stage."""
        return list(accumulate((stage.steps for stage in self.stages), initial=0))[:-1]

    def of_steps(self, steps: int) -> Plan:
        """The same with so many steps in all; every stage keeps its share."""
        bounds = [round(at * steps / self.steps) for at in (*self.starts, self.steps)]
        spans = [end - start for start, end in pairwise(bounds)]
        scaled = zip(self.stages, spans, strict=True)
        return Plan(tuple(replace(stage, steps=span) for stage, span in scaled))

    def stage_of(self, number: int) -> Stage:
        """The stage of a step."""
        return self.stages[bisect_right(self.starts, number) - 1]

    def schedule(self) -> Schedule:
        """When what learns, and how fast."""
        begun = list(zip(self.starts, self.stages, strict=True))
        return Schedule(
            self.steps,
            seeing_until=min(first for first, stage in begun if stage.weights),
            together_from=min(first for first, stage in begun if stage.together),
            rises=tuple(Rise(first, stage.rate) for first, stage in begun if stage.anew),
        )


TWO_CORES = Plan(
    (
        Stage(4760, 0.3, {}, anew=True),
        Stage(1530, 0.15, TASKS_OF_ONE_PICTURE, anew=True),
        Stage(2510, 0.25, ALL_TASKS),
        Stage(1500, 0.45, ALL_TASKS),
        Stage(3400, 0.1, LOOKING, anew=True),
        Stage(600, 0.3, REPEATING, anew=True),
        Stage(50, 0.3, REPEATING, together=True),
    )
)
"""Three hours of two CPU cores."""

GPU = Plan(
    (
        *TWO_CORES.stages,
        Stage(2700, 0.6, EVERYTHING, anew=True, together=True, groups=32, rate=1.5),
    )
)
"""What a GPU learns in eight minutes more, and two cores would learn in a day."""


class Steps(Dataset[Step]):
    """The steps of a training, each from seeds of its own.

    Args:
        encoder: Of the checkpoint.
        plan: What is learned when.
        first: Number of the first step.
    """

    def __init__(self, encoder: Encoder, plan: Plan, first: int) -> None:
        self.encoder, self.plan, self.first = encoder, plan, first

    def __len__(self) -> int:
        return self.plan.steps - self.first

    def __getitem__(self, index: int) -> Step:
        number = self.first + index
        if index >= len(self):
            raise IndexError(index)
        stage = self.plan.stage_of(number)
        architecture = self.encoder.architecture
        if not stage.weights:
            return self.encoder.seeing(pictures_for(architecture, stage, number))
        return self.encoder.step(
            [
                lessons_for(architecture, stage, number * stage.groups + group)
                for group in range(stage.groups)
            ]
        )


def pictures_for(architecture: Architecture, stage: Stage, number: int) -> list[Shown]:
    """The pictures of a step in which the vision tower learns alone.

    Most have one shape, so that they are one batch.
    """
    rng = random.Random(f"seeing {number}")
    sizes = sizes_of(architecture, stage.sliced).for_group(rng)
    shape = rng.choice(SHAPES)
    first = number * PICTURES % len(TRAINING_SEEDS)
    count = PICTURES // (1 + round(sizes.sliced) * architecture.max_slice_nums)
    return [
        photographed([any_scene(seed)], [seed], [sizes.of(rng, shape)])
        for seed in range(first, first + count)
    ]


def lessons_for(architecture: Architecture, stage: Stage, number: int) -> list[Lesson]:
    """The lessons of one group."""
    seed = number * SEEDS_A_GROUP % len(TRAINING_SEEDS)
    sizes = sizes_of(architecture, stage.sliced)
    return group_of(seed, lambda task: GROUP_SIZES.get(task, SINGLE), sizes, stage.weights)


def sizes_of(architecture: Architecture, sliced: float) -> Sizes:
    """Sizes of pictures that suit a checkpoint."""
    return Sizes(architecture.scale_resolution**2, architecture.max_slice_nums, sliced)


def steps_from(
    encoder: Encoder, plan: Plan, first: int, workers: int, *, packed: bool
) -> Iterator[Step | Packed]:
    """The steps from one number on, drawn by processes beside this one.

    Args:
        encoder: Of the checkpoint.
        plan: What is learned when.
        first: Number of the first step.
        workers: Processes; 0 to draw in this one.
        packed: Whether steps are laid out for a GPU.
    """
    loader = DataLoader(
        Steps(encoder, plan, first),
        batch_size=None,
        shuffle=False,
        num_workers=workers,
        prefetch_factor=4 if workers else None,
        worker_init_fn=_one_thread,
        collate_fn=pack if packed else None,
    )
    return iter(loader)


def _one_thread(worker: int) -> None:
    torch.set_num_threads(1)
    # Ctrl-C reaches all processes; the one that learns ends the others when it has saved.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
