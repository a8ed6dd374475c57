"""Answer questions about a video."""

from __future__ import annotations

from typing import Any, ClassVar

from operators.tasks.arrow import Row
from operators.tasks.base import Subject, Task
from operators.tasks.forms import Answer, list_of, whole
from operators.tasks.questions import (
    Answered,
    QuestionOptions,
    answered,
    answers_form,
    key_of,
)
from schemas.media import MediaKind

MAX_EVIDENCE = 5


class VideoAnswered(Answered):
    """A question, its answer, and the seconds of the frames that show it."""

    evidence_s: list[float]


class VideoQaRow(Row):
    """Columns of table ``video_answers``."""

    answers: list[VideoAnswered]


class VideoQa(Task):
    """Answer one or many questions about a video, with the seconds that show the answer.

    The model names frames by number; the seconds are their presentation times.
    """

    id = "video_qa"
    version = 3
    summary = "Answer questions about a video, with the seconds that show the answer."
    takes = frozenset({MediaKind.VIDEO})
    table = "video_answers"
    Options = QuestionOptions
    Columns = VideoQaRow
    instruction = """
You answer questions about videos. You are shown frames of one video in order, numbered from
1. Judge only by what is visible. For each question name the numbers of the frames that show
it, then the answer. Write texts in {{ options.language }}, at most {{ options.max_chars }}
characters each.
"""
    item_prompt = """
These are {{ shown.count }} frames of a video. Frame number and second: {{ shown.times }}.
Answer the questions. {{ options.listed }}
"""

    sample: ClassVar[dict[str, Any]] = {"q1": {"frames": [2], "answer": "a ball"}}
    sample_options: ClassVar[dict[str, Any]] = {"questions": ["What rolls?"]}

    def answer(self, options: QuestionOptions, count: int) -> type[Answer]:
        """See `Task.answer`."""
        frames = list_of(whole(1, max(count, 1)), MAX_EVIDENCE)
        return answers_form(options.questions, options.max_chars, frames=frames)

    def row(self, options: QuestionOptions, answer: Any, subject: Subject) -> VideoQaRow:
        """See `Task.row`."""
        pts = subject.frames.pts_s
        rows = []
        for index, asked in enumerate(options.questions):
            given = getattr(answer, key_of(index))
            seconds = [pts[number - 1] for number in sorted(set(given.frames))]
            rows.append(VideoAnswered(**answered(asked, given.answer), evidence_s=seconds))
        return VideoQaRow(answers=rows)
