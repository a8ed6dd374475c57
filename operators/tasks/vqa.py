"""Answer questions about an image, or about several together."""

from __future__ import annotations

from typing import Any, ClassVar

from operators.tasks.arrow import Row
from operators.tasks.base import Subject, Task
from operators.tasks.forms import Answer
from operators.tasks.questions import (
    Answered,
    QuestionOptions,
    answered,
    answers_form,
    key_of,
)
from schemas.media import MediaKind


class VqaRow(Row):
    """Columns of table ``answers``."""

    answers: list[Answered]


class Vqa(Task):
    """Answer one or many questions about an image, each in its own type.

    All questions of an item are answered in one request. They are asked after its media, as
    the model was taught.
    """

    id = "vqa"
    version = 2
    summary = "Answer questions about an image: in words, yes or no, a number, a choice."
    takes = frozenset({MediaKind.IMAGE, MediaKind.IMAGES})
    table = "answers"
    Options = QuestionOptions
    Columns = VqaRow
    instruction = """
You answer questions about images. Judge only by what is visible. Write texts in
{{ options.language }}, at most {{ options.max_chars }} characters each.
"""
    item_prompt = "Answer the questions about what is shown. {{ options.listed }}"

    sample: ClassVar[dict[str, Any]] = {"q1": "ceramic", "q2": True}
    sample_options: ClassVar[dict[str, Any]] = {
        "questions": [
            "What is it made of?",
            {"question": "Is it whole?", "type": "yes_no"},
        ]
    }

    def answer(self, options: QuestionOptions, count: int) -> type[Answer]:
        """See `Task.answer`."""
        return answers_form(options.questions, options.max_chars)

    def row(self, options: QuestionOptions, answer: Any, subject: Subject) -> VqaRow:
        """See `Task.row`."""
        return VqaRow(
            answers=[
                Answered(**answered(asked, getattr(answer, key_of(index))))
                for index, asked in enumerate(options.questions)
            ]
        )
