"""Lessons, and how a task's conversation becomes some."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from PIL import Image

from infra.demo.drawing import Placed
from operators.base import Completion
from operators.tasks.arrow import Row
from operators.tasks.base import Conversation, Question, Reply, Subject
from operators.tasks.registry import BoundTask, bind_task
from schemas.job import TaskSpec
from schemas.media import Frames, MediaKind

Teacher = Callable[[Question, Any], dict[str, Any]]
"""From a question and its task's options to the true answer."""


@dataclass(frozen=True)
class Marks:
    """What is where in a picture.

    Attributes:
        things: Things and faces.
        background: Of `BACKGROUNDS`.
    """

    things: tuple[Placed, ...]
    background: str


@dataclass(frozen=True)
class Shown:
    """What is to be seen in a lesson.

    Attributes:
        kind: As the task sees it.
        pictures: RGB, in order; the frames of a video. None at all where a question is
            about text alone.
        marks: For each picture what is where in it, and before which background.
        pts_s: Of a video's frames, seconds.
        duration_s: Of a video.
    """

    kind: MediaKind
    pictures: tuple[Image.Image, ...]
    marks: tuple[Marks, ...]
    pts_s: tuple[float, ...] = ()
    duration_s: float | None = None

    def frames(self) -> Frames:
        """As decoding would give them."""
        return Frames(
            self.kind,
            b"".join(picture.tobytes() for picture in self.pictures),
            tuple((picture.height, picture.width) for picture in self.pictures),
            pts_s=self.pts_s,
            duration_s=self.duration_s,
        )


@dataclass(frozen=True)
class Aside:
    """What can be known at one place of a lesson, on the way to its answer.

    A network that has to find all steps to an answer by itself finds none: asides say what
    comes of the first ones.

    Attributes:
        part: Where the place is: in what is said of the item, or behind a picture.
        passage: What ends there, the first time that it is said; of pictures and frames the
            number, from 1.
        word: Of `asides.KNOWN`.
    """

    part: Literal["user", "picture"]
    passage: str | int
    word: str


@dataclass(frozen=True)
class Lesson:
    """One question and its answer.

    Attributes:
        system: The instruction.
        user: What is said of the item, after its media.
        shown: The media.
        answer: JSON, spaced as the engine's grammar spaces it.
        asides: What can be known on the way to it.
        task: By name in the curriculum; empty outside of it.
    """

    system: str
    user: str
    shown: Shown
    answer: str
    asides: tuple[Aside, ...] = ()
    task: str = ""


def bound(task: str, **options: Any) -> BoundTask:
    """A task as a job would ask for it."""
    return bind_task(TaskSpec(task=task, name=task, options=options))


def lessons_of(
    task: BoundTask, shown: Shown, teacher: Teacher, context: dict[str, Any] | None = None
) -> list[Lesson]:
    """Hold a task's whole conversation about what is shown.

    Raises:
        pydantic.ValidationError: If an answer of the teacher's breaks its form.
    """
    return conversation_of(task, shown, teacher, context)[0]


def conversation_of(
    task: BoundTask, shown: Shown, teacher: Teacher, context: dict[str, Any] | None = None
) -> tuple[list[Lesson], Row]:
    """As `lessons_of`; also the row that comes of it."""
    subject = Subject(shown.frames(), context=context or {})
    return taught(task.task.converse(task.options, subject), shown, teacher, task.options)


def taught(
    conversation: Conversation, shown: Shown, teacher: Teacher, options: Any
) -> tuple[list[Lesson], Row]:
    """Answer all of a conversation's questions."""
    lessons: list[Lesson] = []
    questions: Sequence[Question] = next(conversation)
    while True:
        replies = []
        for question in questions:
            text = json.dumps(teacher(question, options), ensure_ascii=False)
            lessons.append(Lesson(question.system, question.user, shown, text))
            replies.append(_reply(question, text))
        try:
            questions = conversation.send(replies)
        except StopIteration as end:
            return lessons, end.value


def _reply(question: Question, text: str) -> Reply:
    value = question.answer.model_validate_json(text)
    return Reply(value, Completion(text, "stop", 0, 0, 0))
