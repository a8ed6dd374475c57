"""Questions with typed answers, shared by the tasks that ask them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from operators.tasks.arrow import Row
from operators.tasks.base import TaskOptions
from operators.tasks.forms import Answer, form, line, one_of, whole

MAX_QUESTIONS = 20
MAX_NUMBER = 1_000_000


class AskedQuestion(BaseModel):
    """One question of a job.

    A plain text in the job file is a question whose answer is text.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    question: str = Field(min_length=1, max_length=500, description="In words.")
    type: Literal["text", "yes_no", "number", "choice"] = Field(
        default="text", description="What the answer is."
    )
    choices: tuple[Annotated[str, Field(min_length=1, max_length=200)], ...] = Field(
        default=(), max_length=100, description="What may be answered; type choice only."
    )

    @classmethod
    def __get_pydantic_json_schema__(cls, core: Any, handler: Any) -> dict[str, Any]:
        """For editors: a plain text is a question too."""
        return {"anyOf": [{"type": "string"}, handler.resolve_ref_schema(handler(core))]}

    @model_validator(mode="before")
    @classmethod
    def _from_text(cls, value: Any) -> Any:
        return {"question": value} if isinstance(value, str) else value

    @model_validator(mode="after")
    def _choices_fit_the_type(self) -> AskedQuestion:
        if self.type == "choice" and len(set(self.choices)) < 2:
            raise ValueError("expected at least two different choices for type choice")
        if self.type != "choice" and self.choices:
            raise ValueError(f"expected choices for type choice only, not for {self.type}")
        return self


Questions = Annotated[tuple[AskedQuestion, ...], Field(min_length=1, max_length=MAX_QUESTIONS)]
"""The questions of a task's options."""


class QuestionOptions(TaskOptions):
    """Options of the tasks that ask questions."""

    questions: Questions = Field(
        description="What is asked; each a text, or question, type (text, yes_no, number, "
        "choice) and choices."
    )
    max_chars: int = Field(
        default=200, ge=5, le=4000, description="Longest answer in words, in characters."
    )
    language: str = Field(default="English", description="Language of answers in words.")

    @property
    def listed(self) -> str:
        """The questions, as the prompt has them."""
        return listed(self.questions)


class Answered(Row):
    """A question and its answer, as text and in its own type."""

    question: str
    answer: str
    yes: bool | None = None
    number: int | None = None
    choice: str | None = None


def listed(questions: Sequence[AskedQuestion]) -> str:
    """The questions as a prompt names them, each with the key of its answer."""
    return " ".join(
        f"{key_of(index)}: {asked.question}{_manner(asked)}"
        for index, asked in enumerate(questions)
    )


def _manner(asked: AskedQuestion) -> str:
    match asked.type:
        case "yes_no":
            return " (true or false)"
        case "number":
            return " (a whole number)"
        case "choice":
            return f" (one of: {'; '.join(asked.choices)})"
    return ""


def key_of(index: int) -> str:
    """The key of a question's answer, from ``q1``."""
    return f"q{index + 1}"


def answers_form(
    questions: Sequence[AskedQuestion], max_chars: int, **beside: Any
) -> type[Answer]:
    """A form with a typed answer to each question.

    Args:
        questions: What is asked.
        max_chars: Longest text.
        beside: Fields that stand before each answer, which is then judged by them.
    """
    fields = {}
    for index, asked in enumerate(questions):
        value = _value(asked, max_chars)
        key = key_of(index)
        fields[key] = form(f"Answer{index + 1}", **beside, answer=value) if beside else value
    return form("Answers", **fields)


def _value(asked: AskedQuestion, max_chars: int) -> Any:
    match asked.type:
        case "yes_no":
            return bool
        case "number":
            return whole(0, MAX_NUMBER)
        case "choice":
            return one_of(asked.choices)
    return line(max_chars)


def answered(asked: AskedQuestion, value: Any) -> dict[str, Any]:
    """The fields of `Answered` for a value of the question's type."""
    fields: dict[str, Any] = {"question": asked.question}
    match asked.type:
        case "yes_no":
            return fields | {"answer": "yes" if value else "no", "yes": value}
        case "number":
            return fields | {"answer": str(value), "number": value}
        case "choice":
            return fields | {"answer": value, "choice": value}
    return fields | {"answer": value}
