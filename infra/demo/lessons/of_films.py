"""Lessons about films."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

from infra.demo.drawing import arranged, draw_frame, draw_scene, filmed
from infra.demo.lessons import asides, films
from infra.demo.lessons.lesson import Lesson, Marks, Shown, bound, lessons_of
from infra.demo.lessons.of_one_picture import taxonomy, vocabulary
from infra.demo.lessons.photographs import Sizes, sides
from infra.demo.world.film import Film, film_of, lengthened, stilled
from infra.demo.world.moods import mood_film_of
from operators.tasks.base import Subject
from operators.tasks.registry import WINDOWS, BoundTask
from schemas.media import MediaKind

MUCH_STILL = 0.25
"""The share of films that show long what does not change."""

CUT_SHOWN = 0.6
"""The share of parts of long films in which a shot ends."""


def _film(seed: int, rng: random.Random, sizes: Sizes) -> tuple[Shown, list[films.Witnessed]]:
    film = film_of(seed, rng.choice((1, 1, 2, 2, 3, 3, 4)))
    if rng.random() < MUCH_STILL:
        film = stilled(film, rng)
    frames = rng.randint(2, 3) * len(film.shots) + rng.randint(0, 2)
    if rng.random() < 0.4:
        frames = max(8, 2 * len(film.shots))
    step = film.duration_s / frames
    # From the first frame on, or from the middle of each part, as policies do.
    offset = rng.choice((0.0, 0.5, rng.random())) * step
    pts = tuple(round(offset + n * step, 3) for n in range(frames))
    return _shown(film, pts, rng, sizes), films.witnessed(film, pts)


def _part(seed: int, rng: random.Random, sizes: Sizes) -> tuple[Shown, list[films.Witnessed]]:
    """A few frames from somewhere in a long film, often from where a shot ends."""
    film = film_of(seed, rng.randint(2, 5))
    film = lengthened(stilled(film, rng) if rng.random() < 0.75 else film, rng)
    frames, step = rng.randint(3, 8), rng.choice((0.5, 1.0, 1.0, 2.0))
    last = film.duration_s - frames * step
    start = rng.uniform(0, last)
    if rng.random() < CUT_SHOWN:
        start = rng.choice(film.shots[1:]).start_s - rng.random() * frames * step
    start = max(0.0, min(start, last))
    pts = tuple(round(start + n * step, 3) for n in range(frames))
    return _shown(film, pts, rng, sizes), films.witnessed(film, pts)


def _shown(film: Film, pts: tuple[float, ...], rng: random.Random, sizes: Sizes) -> Shown:
    size = sides(rng, sizes.slice_area * rng.uniform(0.7, 1.0))
    pictures = tuple(draw_frame(film, at, *size) for at in pts)
    marks = tuple(Marks(tuple(filmed(film, at)), film.shot_at(at).background) for at in pts)
    return Shown(MediaKind.VIDEO, pictures, marks, pts, film.duration_s)


def _films(
    task: BoundTask,
    teach: Callable[[Sequence[films.Witnessed]], Any],
    rng: random.Random,
    seeds: Sequence[int],
    sizes: Sizes,
) -> Iterator[list[Lesson]]:
    for seed in seeds:
        shown, shots = _film(seed, rng, sizes)
        lessons = lessons_of(task, shown, teach(shots))
        yield [replace(lesson, asides=asides.of_film(shots)) for lesson in lessons]


def summaries(rng: random.Random, seeds: Sequence[int], sizes: Sizes) -> Iterator[list[Lesson]]:
    """Summaries, for catalogues and for learners."""
    options = {
        "style": rng.choice(("catalogue", "catalogue", "lecture")),
        "max_chars": rng.choice((500, 600, 800, 800)),
        "max_moments": rng.choice((4, 6, 8, 8)),
        "max_tags": rng.choice((6, 8)),
    }
    return _films(bound("video_summary", **options), films.summary, rng, seeds, sizes)


def windows(rng: random.Random, seeds: Sequence[int], sizes: Sizes) -> Iterator[list[Lesson]]:
    """Descriptions of a part of a longer film."""
    for seed in seeds:
        shown, shots = (_part if rng.random() < 0.7 else _film)(seed, rng, sizes)
        question = WINDOWS.task.question(WINDOWS.options, Subject(shown.frames()))
        answer = films.window(shots)(question, WINDOWS.options)
        known = asides.of_film(shots)
        yield [Lesson(question.system, question.user, shown, json.dumps(answer), known)]


def video_qa(rng: random.Random, seeds: Sequence[int], sizes: Sizes) -> Iterator[list[Lesson]]:
    """One to three questions about a film."""
    asked = films.film_questions(rng, rng.randint(1, 3))
    task = bound("video_qa", questions=[one.option() for one in asked], max_chars=400)
    return _films(task, lambda shots: films.qa(shots, asked), rng, seeds, sizes)


def video_tags(
    rng: random.Random, seeds: Sequence[int], sizes: Sizes
) -> Iterator[list[Lesson]]:
    """Tags with the frames that show them."""
    options: dict[str, Any] = {}
    match rng.randrange(3):
        case 0:
            options["vocabulary"] = list(vocabulary(rng))
        case 1:
            options["taxonomy"] = taxonomy(rng)
    return _films(bound("video_tags", **options), films.tags, rng, seeds, sizes)


def video_sentiment(
    rng: random.Random, seeds: Sequence[int], sizes: Sizes
) -> Iterator[list[Lesson]]:
    """The mood of a film of faces, and how it changes."""
    task = bound("video_sentiment")
    for seed in seeds:
        shots = mood_film_of(seed)
        duration = shots[-1].end_s
        frames = rng.choice((8, 2 * len(shots) + rng.randint(0, 3)))
        pts = tuple(round((n + 0.5) * duration / frames, 3) for n in range(frames))
        seen = [next(one.scene for one in shots if at < one.end_s) for at in pts]
        size = sides(rng, sizes.slice_area * rng.uniform(0.7, 1.0))
        shown = Shown(
            MediaKind.VIDEO,
            tuple(draw_scene(scene, *size) for scene in seen),
            tuple(Marks(tuple(arranged(scene)), scene.background) for scene in seen),
            pts,
            duration,
        )
        yield lessons_of(task, shown, films.moods(shots, pts))
