"""Which lessons there are, and how they are drawn from seeds."""

from __future__ import annotations

import json
import random
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from infra.demo.drawing import arranged, draw_frame, draw_scene, filmed, hand_held
from infra.demo.lessons import films, teachers
from infra.demo.lessons.asking import questions, scene_for
from infra.demo.lessons.facts import GROUPS, SYNONYMS
from infra.demo.lessons.lesson import Lesson, Marks, Shown, bound, lessons_of
from infra.demo.lessons.wording import reworded
from infra.demo.world.film import film_of
from infra.demo.world.moods import mood_film_of
from infra.demo.world.scene import Scene, face_of, scene_of
from infra.demo.world.series import offer_of, pair_of, series_of
from infra.demo.world.vocabulary import BACKGROUNDS, COLOURS, MOODS, PATTERNS, PRODUCTS
from operators.tasks.base import Subject
from operators.tasks.registry import WINDOWS, BoundTask
from operators.taxonomy import Node, Taxonomy
from schemas.media import MediaKind

Maker = Callable[[random.Random, Sequence[int], "Sizes"], Iterator[list[Lesson]]]
"""Draws the lessons of one task: for each seed those of one item."""


@dataclass(frozen=True)
class Sizes:
    """How large lessons' pictures are, from thumbnails to many slices.

    Attributes:
        slice_area: Pixels of one slice.
        most_slices: Of a picture.
        sliced: The share of groups whose pictures are cut into slices; a third of it where
            a lesson has several pictures. Within a group all are alike, so that none waits
            for a longer one.
    """

    slice_area: int
    most_slices: int
    sliced: float

    def for_group(self, rng: random.Random, *, several: bool) -> Sizes:
        """Those of one group: all of its pictures are sliced, or none is."""
        share = self.sliced / 3 if several else self.sliced
        return replace(self, sliced=float(rng.random() < share))

    def of(self, rng: random.Random) -> tuple[int, int]:
        """Width and height of a picture."""
        low, high = (1.1, self.most_slices) if rng.random() < self.sliced else (0.35, 1.0)
        return _sides(rng, self.slice_area * rng.uniform(low, high))


def _sides(rng: random.Random, area: float) -> tuple[int, int]:
    shape = rng.choice((1.0, 1.0, 4 / 3, 3 / 4, 3 / 2, 2 / 3, 16 / 9, 9 / 16))
    width = round((area * shape) ** 0.5)
    return width, round(width / shape)


def group_of(
    seed: int, size_of: Callable[[str], int], sizes: Sizes, weights: dict[str, float]
) -> list[Lesson]:
    """Lessons with one instruction, which can be computed once for all of them.

    Args:
        seed: Of the task, its options and its wording, and the first of the items' seeds.
        size_of: Items, and lessons at most, of a task.
        sizes: Of pictures.
        weights: How often each task comes, by name in `MAKERS`.
    """
    rng = random.Random(f"group {seed}")
    name = rng.choices(tuple(weights), tuple(weights.values()))[0]
    size = size_of(name)
    seeds = range(seed, seed + size)
    by_system: dict[str, list[Lesson]] = defaultdict(list)
    alike = sizes.for_group(rng, several=name in SEVERAL)
    for lessons in MAKERS[name](rng, seeds, alike):
        for lesson in lessons:
            by_system[lesson.system].append(lesson)
    groups = list(by_system.values())
    chosen = rng.choices(groups, [len(group) for group in groups])[0]
    wording = rng.randrange(2**32)
    return [_reworded(lesson, wording) for lesson in chosen[:size]]


def _reworded(lesson: Lesson, seed: int) -> Lesson:
    return replace(
        lesson,
        system=reworded(lesson.system, random.Random(seed)),
        user=reworded(lesson.user, random.Random(seed + 1)),
    )


def photographed(
    scenes: Sequence[Scene], seeds: Sequence[int], sizes: Sequence[tuple[int, int]]
) -> Shown:
    """Scenes as a hand-held camera takes them, one picture each."""
    cameras = [hand_held(seed) for seed in seeds]
    taken = list(zip(scenes, cameras, sizes, strict=True))
    return Shown(
        MediaKind.IMAGES if len(scenes) > 1 else MediaKind.IMAGE,
        tuple(draw_scene(scene, *size, camera=camera) for scene, camera, size in taken),
        tuple(Marks(tuple(arranged(s, camera)), s.background) for s, camera, _ in taken),
    )


def _one(scene: Scene, seed: int, rng: random.Random, sizes: Sizes) -> Shown:
    return photographed([scene], [seed], [sizes.of(rng)])


def _several(scenes: Sequence[Scene], seed: int, rng: random.Random, sizes: Sizes) -> Shown:
    drawn = [sizes.of(rng) for _ in scenes]
    return photographed(scenes, [seed * 8 + n for n in range(len(scenes))], drawn)


def any_scene(seed: int) -> Scene:
    """A scene of things; every eighth has a face."""
    return face_of(seed) if random.Random(seed).random() < 0.125 else scene_of(seed)


def _captions(rng: random.Random, seeds: Sequence[int], sizes: Sizes) -> Iterator[list[Lesson]]:
    style = rng.choices(
        ("detailed", "alt-text", "training", "short", "clinical"), (6, 3, 2, 3, 1)
    )[0]
    task = bound("caption", style=style, max_chars=rng.choice((200, 300, 400, 400, 500)))
    for seed in seeds:
        scene = any_scene(seed)
        yield lessons_of(task, _one(scene, seed, rng, sizes), teachers.caption(scene))


def _tags(rng: random.Random, seeds: Sequence[int], sizes: Sizes) -> Iterator[list[Lesson]]:
    options: dict[str, Any] = {"max_tags": rng.choice((6, 8, 10, 10, 12))}
    match rng.choices(("free", "list", "taxonomy"), (1, 4, 4))[0]:
        case "list":
            options["vocabulary"] = list(vocabulary(rng))
        case "taxonomy":
            options["taxonomy"] = taxonomy(rng)
    task = bound("tags", **options)
    for seed in seeds:
        scene = any_scene(seed)
        yield lessons_of(task, _one(scene, seed, rng, sizes), teachers.tags([scene]))


WORDS = (
    *PRODUCTS,
    *COLOURS,
    *PATTERNS[1:],
    *(f"{ground} background" for ground in BACKGROUNDS),
    "face",
    *MOODS,
)
"""All tags there are, but those of kinds."""


def vocabulary(rng: random.Random) -> tuple[str, ...]:
    """A closed list of tags, in any order."""
    match rng.randrange(4):
        case 0:
            words: Sequence[str] = PRODUCTS
        case 1:
            words = (*PRODUCTS, *COLOURS)
        case 2:
            words = WORDS
        case _:
            words = rng.sample(WORDS, rng.randint(4, len(WORDS) - 4))
    return tuple(rng.sample(list(words), len(words)))


def taxonomy(rng: random.Random) -> Taxonomy:
    """A taxonomy of the world's tags: like the catalogue's, or by kinds of product."""
    roots: dict[str, Sequence[str]] = {
        "colour": tuple(COLOURS),
        "background": tuple(f"{ground} background" for ground in BACKGROUNDS),
    }
    if rng.random() < 0.5:
        roots["pattern"] = PATTERNS[1:]
    kinds: dict[str, Sequence[str]] = {"thing": PRODUCTS}
    roots = {**(kinds if rng.random() < 0.6 else GROUPS), **roots}
    if rng.random() < 0.5:
        roots["face"] = MOODS
    kept = [root for root in roots if rng.random() < 0.85] or ["colour"]
    if rng.random() < 0.5:
        rng.shuffle(kept)
    nodes: list[Node] = [_node(root, None, rng) for root in kept]
    for root in kept:
        below = [word for word in roots[root] if rng.random() < 0.9] or [roots[root][0]]
        nodes += [_node(word, root, rng) for word in below]
    return Taxonomy(tuple(nodes))


def _node(word: str, parent: str | None, rng: random.Random) -> Node:
    synonyms = [other for other, meant in SYNONYMS.items() if meant == word]
    kept = tuple(synonyms) if rng.random() < 0.7 else ()
    return Node(word if parent is None else f"{parent}-{word}", word, parent, kept)


def _vqa(rng: random.Random, seeds: Sequence[int], sizes: Sizes) -> Iterator[list[Lesson]]:
    asked = questions(rng, rng.randint(1, 4))
    while sum(one.needs_plant for one in asked) > 2:
        asked = questions(rng, rng.randint(1, 4))
    task = bound("vqa", questions=[one.option() for one in asked])
    for seed in seeds:
        scene = scene_for(seed, asked)
        yield lessons_of(task, _one(scene, seed, rng, sizes), teachers.vqa(scene, asked))


def _sentiment(
    rng: random.Random, seeds: Sequence[int], sizes: Sizes
) -> Iterator[list[Lesson]]:
    task = bound("sentiment")
    for seed in seeds:
        scene = face_of(seed) if rng.random() < 0.9 else scene_of(seed)
        yield lessons_of(task, _one(scene, seed, rng, sizes), teachers.sentiment(scene))


_FIELDS: dict[str, dict[str, Any]] = {
    **{name: {"type": "string", "maxLength": 40} for name in ("product", "kind", "place")},
    "colour": {"enum": list(COLOURS)},
    "pattern": {"enum": list(PATTERNS)},
    "size": {"enum": ["small", "large"]},
    "background": {"type": "string", "maxLength": 40},
    "count": {"type": "integer", "minimum": 0, "maximum": 100},
    "striped": {"type": "boolean"},
    "dotted": {"type": "boolean"},
    "brand": {"type": ["string", "null"], "maxLength": 40},
}


def _extract(rng: random.Random, seeds: Sequence[int], sizes: Sizes) -> Iterator[list[Lesson]]:
    names = rng.sample(list(_FIELDS), rng.randint(1, 5))
    schema = {"type": "object", "properties": {name: _FIELDS[name] for name in names}}
    task = bound("extract", json_schema=schema)
    for seed in seeds:
        scene = scene_of(seed, 1)
        yield lessons_of(task, _one(scene, seed, rng, sizes), teachers.extract(scene))


def _sequence(rng: random.Random, seeds: Sequence[int], sizes: Sizes) -> Iterator[list[Lesson]]:
    task = bound("sequence")
    for seed in seeds:
        series = series_of(seed)
        shown = _several(series.scenes, seed, rng, sizes)
        yield lessons_of(task, shown, teachers.sequence(series))


def _compare(rng: random.Random, seeds: Sequence[int], sizes: Sizes) -> Iterator[list[Lesson]]:
    task = bound("compare")
    for seed in seeds:
        pair = pair_of(seed)
        shown = _several((pair.first, pair.second), seed, rng, sizes)
        yield lessons_of(task, shown, teachers.compare(pair))


def _story(rng: random.Random, seeds: Sequence[int], sizes: Sizes) -> Iterator[list[Lesson]]:
    task = bound("story")
    for seed in seeds:
        scenes = series_of(seed).scenes if rng.random() < 0.6 else (scene_of(seed),)
        shown = _several(scenes, seed, rng, sizes)
        yield lessons_of(task, shown, teachers.story(scenes))


def categories(rng: random.Random) -> dict[str, dict[str, Any]]:
    """What a shop might ask of things, by product."""
    asked = [name for name in teachers.ATTRIBUTES if name == "colour" or rng.random() < 0.4]
    attributes = {name: teachers.ATTRIBUTES[name] or list(COLOURS) for name in asked}
    extra: dict[str, dict[str, Any]] = {
        "mug": {"handle": "yes_no"},
        "shirt": {"sleeves": ["short", "long", "none"]},
        "shoe": {"laces": "yes_no"},
        "lamp": {"shade": ["cloth", "glass", "metal", "paper"]},
    }
    kept = rng.sample(PRODUCTS, rng.choice((4, 7, len(PRODUCTS))))
    return {name: attributes | extra.get(name, {}) for name in kept}


def _listing(rng: random.Random, seeds: Sequence[int], sizes: Sizes) -> Iterator[list[Lesson]]:
    offered = categories(rng)
    task = bound("listing", categories=offered, context=("title", "description"))
    # Mostly of one product, so that the second question's instruction is shared too.
    product = rng.choice(tuple(offered)) if rng.random() < 0.8 else None
    for seed in seeds:
        offer = offer_of(seed, product)
        shown = _several(offer.photographs, seed, rng, sizes)
        context = {"title": offer.title, "description": offer.description}
        yield lessons_of(task, shown, teachers.listing(offer), context)


def _film(seed: int, rng: random.Random, sizes: Sizes) -> tuple[Shown, list[films.Witnessed]]:
    film = film_of(seed, rng.choice((1, 1, 2, 2, 3, 3, 4)))
    frames = rng.randint(2, 3) * len(film.shots) + rng.randint(0, 2)
    if rng.random() < 0.4:
        frames = max(8, 2 * len(film.shots))
    step = film.duration_s / frames
    # From the first frame on, or from the middle of each part, as policies do.
    offset = rng.choice((0.0, 0.5, rng.random())) * step
    pts = tuple(round(offset + n * step, 3) for n in range(frames))
    size = _sides(rng, sizes.slice_area * rng.uniform(0.7, 1.0))
    pictures = tuple(draw_frame(film, at, *size) for at in pts)
    marks = tuple(Marks(tuple(filmed(film, at)), film.shot_at(at).background) for at in pts)
    shown = Shown(MediaKind.VIDEO, pictures, marks, pts, film.duration_s)
    return shown, films.witnessed(film, pts)


def _films(
    task: BoundTask,
    teach: Callable[[Sequence[films.Witnessed]], Any],
    rng: random.Random,
    seeds: Sequence[int],
    sizes: Sizes,
) -> Iterator[list[Lesson]]:
    for seed in seeds:
        shown, shots = _film(seed, rng, sizes)
        yield lessons_of(task, shown, teach(shots))


def _summaries(
    rng: random.Random, seeds: Sequence[int], sizes: Sizes
) -> Iterator[list[Lesson]]:
    options = {
        "style": rng.choice(("catalogue", "catalogue", "lecture")),
        "max_chars": rng.choice((500, 600, 800, 800)),
        "max_moments": rng.choice((4, 6, 8, 8)),
        "max_tags": rng.choice((6, 8)),
    }
    return _films(bound("video_summary", **options), films.summary, rng, seeds, sizes)


def _windows(rng: random.Random, seeds: Sequence[int], sizes: Sizes) -> Iterator[list[Lesson]]:
    for seed in seeds:
        shown, shots = _film(seed, rng, sizes)
        question = WINDOWS.task.question(WINDOWS.options, Subject(shown.frames()))
        answer = films.window(shots)(question, WINDOWS.options)
        yield [Lesson(question.system, question.user, shown, json.dumps(answer))]


def _video_qa(rng: random.Random, seeds: Sequence[int], sizes: Sizes) -> Iterator[list[Lesson]]:
    asked = films.film_questions(rng, rng.randint(1, 3))
    task = bound("video_qa", questions=[one.option() for one in asked], max_chars=400)
    return _films(task, lambda shots: films.qa(shots, asked), rng, seeds, sizes)


def _video_tags(
    rng: random.Random, seeds: Sequence[int], sizes: Sizes
) -> Iterator[list[Lesson]]:
    options: dict[str, Any] = {}
    match rng.randrange(3):
        case 0:
            options["vocabulary"] = list(vocabulary(rng))
        case 1:
            options["taxonomy"] = taxonomy(rng)
    return _films(bound("video_tags", **options), films.tags, rng, seeds, sizes)


def _video_sentiment(
    rng: random.Random, seeds: Sequence[int], sizes: Sizes
) -> Iterator[list[Lesson]]:
    task = bound("video_sentiment")
    for seed in seeds:
        shots = mood_film_of(seed)
        duration = shots[-1].end_s
        frames = rng.choice((8, 2 * len(shots) + rng.randint(0, 3)))
        pts = tuple(round((n + 0.5) * duration / frames, 3) for n in range(frames))
        seen = [next(one.scene for one in shots if at < one.end_s) for at in pts]
        size = _sides(rng, sizes.slice_area * rng.uniform(0.7, 1.0))
        shown = Shown(
            MediaKind.VIDEO,
            tuple(draw_scene(scene, *size) for scene in seen),
            tuple(Marks(tuple(arranged(scene)), scene.background) for scene in seen),
            pts,
            duration,
        )
        yield lessons_of(task, shown, films.moods(shots, pts))


MAKERS: dict[str, Maker] = {
    "caption": _captions,
    "tags": _tags,
    "vqa": _vqa,
    "sentiment": _sentiment,
    "extract": _extract,
    "sequence": _sequence,
    "compare": _compare,
    "story": _story,
    "listing": _listing,
    "video_summary": _summaries,
    "video_windows": _windows,
    "video_qa": _video_qa,
    "video_tags": _video_tags,
    "video_sentiment": _video_sentiment,
}
"""By name, what draws the lessons of each task."""

SEVERAL = frozenset({"sequence", "compare", "story", "listing"})
"""Tasks whose lessons show several pictures."""
