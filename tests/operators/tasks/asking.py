"""Tasks, bound and asked, for the tests of single tasks."""

from __future__ import annotations

from typing import Any

from operators.tasks.arrow import Row
from operators.tasks.base import Question, Subject
from operators.tasks.reading import read_answer
from operators.tasks.registry import BoundTask, bind_task
from schemas.job import TaskSpec
from schemas.media import Frames, MediaKind

QUESTIONS = [
    "What is it made of?",
    {"question": "Is it new?", "type": "yes_no"},
    {"question": "How many are there?", "type": "number"},
    {"question": "Which side?", "type": "choice", "choices": ["left", "right"]},
]


SCHEMA = {
    "type": "object",
    "required": ["brand", "sizes", "label"],
    "properties": {
        "brand": {"type": "string", "maxLength": 30, "description": "as printed"},
        "sizes": {"type": "array", "maxItems": 3, "items": {"enum": ["S", "M", "L"]}},
        "price": {"type": "number", "minimum": 0, "maximum": 500},
        "pieces": {"type": ["integer", "null"], "minimum": 1},
        "label": {"type": "object", "properties": {"clean": {"type": "boolean"}}},
    },
}


CATEGORIES = {
    "mug": {"colour": ["red", "blue"], "volume ml": "number", "dishwasher": "yes_no"},
    "shirt": {"fabric": "text"},
}


VOCABULARY = ["mug", "red lamp", 'odd "name"', "ü"]


PTS = (0.0, 0.5, 2.0, 7.25)


def bound(task: str, **options: Any) -> BoundTask:
    return bind_task(TaskSpec(task=task, name=task, options=options))


def frames_for(task: BoundTask) -> Frames:
    if MediaKind.VIDEO in task.task.takes:
        shapes = ((2, 2),) * len(PTS)
        return Frames(MediaKind.VIDEO, bytes(12 * len(PTS)), shapes, PTS, duration_s=8.0)
    if MediaKind.IMAGES in task.task.takes:
        return Frames(MediaKind.IMAGES, bytes(36), ((2, 2),) * 3)
    return Frames(MediaKind.IMAGE, bytes(12), ((2, 2),))


def question_of(task: BoundTask) -> Question:
    return task.task.question(task.options, Subject(frames_for(task)))


def answered(task: BoundTask, text: str) -> Row:
    value = read_answer(question_of(task).answer, text)
    return task.task.row(task.options, value, Subject(frames_for(task)))


def read(task: BoundTask, text: str) -> dict[str, Any]:
    return answered(task, text).model_dump()


def schema_of(task: BoundTask) -> dict[str, Any]:
    return question_of(task).schema
