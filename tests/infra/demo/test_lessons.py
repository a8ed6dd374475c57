from __future__ import annotations

import json
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from infra.demo.lessons import (
    films,
    of_films,
    of_one_picture,
    of_parts,
    of_several_pictures,
    photographs,
    teachers,
)
from infra.demo.lessons.asking import questions, scene_for
from infra.demo.lessons.curriculum import MAKERS, group_of
from infra.demo.lessons.facts import GROUPS, is_true, true_words
from infra.demo.lessons.lesson import bound, conversation_of
from infra.demo.lessons.photographs import Sizes, photographed
from infra.demo.lessons.wording import reworded
from infra.demo.world.film import Event, Film, Shot, film_of
from infra.demo.world.scene import Scene, Thing, face_of, scene_of
from infra.demo.world.vocabulary import PRODUCTS
from operators.tasks.registry import TASKS
from schemas.tables import WINDOWS_TASK

SEEDS = st.integers(0, 2**40)
TINY = Sizes(900, 4, 0.3)
MUG = Thing("mug", "red", "large", "at the left")
STAR = Thing("star", "blue", "small", "at the right", "striped")
SCENE = Scene("white", (MUG, STAR))


def test_every_task_is_taught() -> None:
    assert set(MAKERS) == {*TASKS, WINDOWS_TASK, "video_parts"}


# That an answer has the form its question asks for is checked where lessons are made.
@pytest.mark.parametrize("task", MAKERS)
@settings(max_examples=8)
@given(seed=SEEDS)
def test_lessons_of_a_group_share_their_instruction(task: str, seed: int) -> None:
    group = group_of(seed, lambda _: 3, TINY, {task: 1.0})
    assert 1 <= len(group) <= 3
    assert len({lesson.system for lesson in group}) == 1
    for lesson in group:
        assert "Answer as JSON: {" in lesson.system
        assert isinstance(json.loads(lesson.answer), dict)
        assert len(lesson.shown.pictures) == len(lesson.shown.marks)
        assert bool(lesson.shown.pictures) == (task != "video_parts")


def test_a_seed_always_gives_the_same_lessons() -> None:
    one, again = (group_of(77, lambda _: 2, TINY, {"listing": 1.0}) for _ in range(2))
    assert [(a.system, a.user, a.answer) for a in one] == [
        (a.system, a.user, a.answer) for a in again
    ]
    pictures = [
        [p.tobytes() for lesson in g for p in lesson.shown.pictures] for g in (one, again)
    ]
    assert pictures[0] == pictures[1]


@pytest.mark.parametrize("task", MAKERS)
def test_nothing_is_drawn_from_seeds_that_were_not_given(task, monkeypatch) -> None:
    used: set[int] = set()

    def spied(function):
        def call(seed: int, *arguments):
            used.add(seed)
            return function(seed, *arguments)

        return call

    makers = ("scene_of", "face_of", "film_of", "mood_film_of", "pair_of", "series_of")
    for module in (of_films, of_one_picture, of_parts, of_several_pictures, photographs):
        for name in (*makers, "offer_of", "scene_for"):
            if hasattr(module, name):
                monkeypatch.setattr(module, name, spied(getattr(module, name)))
    group_of(5_000, lambda _: 3, TINY, {task: 1.0})
    assert used == {5_000, 5_001, 5_002}


@pytest.mark.parametrize(
    ("style", "caption"),
    [
        ("short", "a red mug and a blue striped star"),
        (
            "detailed",
            "a large red mug at the left and a small blue striped star at the right on a "
            "white background",
        ),
    ],
)
def test_a_caption_names_all_there_is(style: str, caption: str) -> None:
    shown = photographed([SCENE], [0], [(60, 60)])
    task = bound("caption", style=style)
    [lesson], row = conversation_of(task, shown, teachers.caption(SCENE))
    assert json.loads(lesson.answer) == {"caption": caption}
    assert row.caption == caption


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        *[("mug", True), ("cup", True), ("kitchen", True), ("striped", True), ("thing", True)],
        *[("lamp", False), ("dotted", False), ("face", False), ("clothing", False)],
        *[("white background", True), ("background", True), ("mint background", False)],
    ],
)
def test_a_word_is_true_of_what_it_means(word: str, expected: bool) -> None:
    assert is_true(word, SCENE) is expected


def test_of_words_for_the_same_one_is_given_and_things_come_first() -> None:
    words = ["white background", "cup", "star", "mug", "blue", "toys", "lamp"]
    assert true_words(words, [SCENE]) == ["mug", "star", "blue", "white background", "toys"]


def test_every_product_is_of_one_kind() -> None:
    assert sorted(product for group in GROUPS.values() for product in group) == sorted(PRODUCTS)


@settings(max_examples=60)
@given(SEEDS, st.integers(1, 4))
def test_every_question_can_be_answered_from_its_scene(seed: int, count: int) -> None:
    asked = questions(random.Random(seed), count)
    if sum(one.needs_plant for one in asked) > 2:
        return
    scene = scene_for(seed, asked)
    for one in asked:
        answer = one.answer(scene)
        kinds = {"yes_no": bool, "number": int, "text": str, "choice": str}
        assert type(answer) is kinds[one.type]
        assert one.type != "choice" or answer in one.choices


def test_yes_is_about_as_often_true_as_no() -> None:
    told = []
    for seed in range(150):
        asked = questions(random.Random(seed), 2)
        if sum(one.needs_plant for one in asked) <= 2:
            scene = scene_for(seed, asked)
            told += [one.answer(scene) for one in asked if one.type == "yes_no"]
    assert 0.3 < sum(told) / len(told) < 0.7


def test_what_no_frame_shows_is_not_taught() -> None:
    moved = Thing("mug", "red", "large", "at the right")
    shot = Shot(0.0, 3.0, "white", MUG, Event("moves", 1.0, 2.0, moved))
    [both] = films.witnessed(Film((shot,)), [0.5, 2.5])
    assert both.sentence == "a large red mug at the left moves to the right"
    assert (both.change, both.moment_frame) == (1, 2)
    [before] = films.witnessed(Film((shot,)), [0.2, 0.6])
    assert before.sentence == "a large red mug at the left stays"
    assert before.kind is None
    appears = Shot(0.0, 3.0, "mint", None, Event("appears", 2.0, 2.0, MUG))
    [empty] = films.witnessed(Film((appears,)), [0.0, 1.0])
    assert empty.sentence == "an empty mint background"


@given(SEEDS, st.integers(2, 12))
def test_every_frame_belongs_to_one_shot(seed: int, frames: int) -> None:
    film = film_of(seed)
    pts = [film.duration_s * n / frames for n in range(frames)]
    numbers = [n for shot in films.witnessed(film, pts) for n in shot.frames]
    assert numbers == list(range(1, frames + 1))


@given(SEEDS)
def test_rewording_keeps_what_is_asked_for(seed: int) -> None:
    shown = photographed([SCENE], [0], [(30, 30)])
    words = ["mug", "blue", "lamp"]
    [lesson], _ = conversation_of(bound("tags", vocabulary=words), shown, teachers.tags(SCENE))
    other = reworded(lesson.system, random.Random(seed))
    assert "mug; blue; lamp" in other
    assert other.endswith(lesson.system.rpartition("\n")[2])


def test_rewording_does_reword() -> None:
    text = "You describe images for a catalogue. Say only what is visible; do not guess.\nX: {}"
    assert len({reworded(text, random.Random(seed)) for seed in range(60)}) > 5


def test_a_face_decides_the_mood_and_things_have_none() -> None:
    for seed in range(12):
        scene = face_of(seed)
        shown = photographed([scene], [seed], [(40, 40)])
        _, row = conversation_of(bound("sentiment"), shown, teachers.sentiment(scene))
        assert scene.face is not None
        assert (row.label, row.emotions) == (
            {"happy": "positive", "calm": "neutral"}.get(scene.face.mood, "negative"),
            [{"happy": "joy", "sad": "sadness", "angry": "anger"}.get(scene.face.mood, "calm")],
        )
    scene = scene_of(1)
    shown = photographed([scene], [1], [(40, 40)])
    _, row = conversation_of(bound("sentiment"), shown, teachers.sentiment(scene))
    assert (row.label, row.emotions) == ("neutral", [])
