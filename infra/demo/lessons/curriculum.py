"""Which lessons there are, and how they are drawn from seeds."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from infra.demo.lessons import of_films, of_one_picture, of_parts, of_several_pictures
from infra.demo.lessons.lesson import Lesson
from infra.demo.lessons.photographs import Sizes
from infra.demo.lessons.wording import reworded

Maker = Callable[[random.Random, Sequence[int], Sizes], Iterator[list[Lesson]]]
"""Draws the lessons of one task: for each seed those of one item."""


MAKERS: dict[str, Maker] = {
    "caption": of_one_picture.captions,
    "tags": of_one_picture.tags,
    "vqa": of_one_picture.vqa,
    "sentiment": of_one_picture.sentiment,
    "extract": of_one_picture.extract,
    "sequence": of_several_pictures.sequence,
    "compare": of_several_pictures.compare,
    "story": of_several_pictures.story,
    "listing": of_several_pictures.listing,
    "video_summary": of_films.summaries,
    "video_windows": of_films.windows,
    "video_parts": of_parts.parts,
    "video_qa": of_films.video_qa,
    "video_tags": of_films.video_tags,
    "video_sentiment": of_films.video_sentiment,
}
"""By name, what draws the lessons of each task."""

EXERCISES: dict[str, Maker] = {"one_question": of_one_picture.one_question}
"""What is only learned so that something else can be."""


def group_of(
    seed: int, size_of: Callable[[str], int], sizes: Sizes, weights: dict[str, float]
) -> list[Lesson]:
    """Lessons with one instruction, which can be computed once for all of them.

    Args:
        seed: Of the task, its options and its wording, and the first of the items' seeds.
        size_of: Items, and lessons at most, of a task.
        sizes: Of pictures.
        weights: How often each task comes, by name in `MAKERS` or `EXERCISES`.
    """
    rng = random.Random(f"group {seed}")
    name = rng.choices(tuple(weights), tuple(weights.values()))[0]
    size = size_of(name)
    seeds = range(seed, seed + size)
    by_system: dict[str, list[Lesson]] = defaultdict(list)
    alike = sizes.for_group(rng)
    for lessons in (MAKERS | EXERCISES)[name](rng, seeds, alike):
        for lesson in lessons:
            by_system[lesson.system].append(lesson)
    groups = list(by_system.values())
    chosen = rng.choices(groups, [len(group) for group in groups])[0]
    wording = rng.randrange(2**32)
    return [_reworded(replace(lesson, task=name), wording) for lesson in chosen[:size]]


def _reworded(lesson: Lesson, seed: int) -> Lesson:
    return replace(
        lesson,
        system=reworded(lesson.system, random.Random(seed)),
        user=reworded(lesson.user, random.Random(seed + 1)),
    )
