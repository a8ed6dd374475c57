"""What a task is: a question, the form of its answer, and how the answer is read."""

from __future__ import annotations

import json
import unicodedata
from abc import ABC, abstractmethod
from typing import Any, ClassVar

import pyarrow as pa
from pydantic import BaseModel, ConfigDict, ValidationError

from schemas.failure import FailureCode, ItemFailure, Stage
from schemas.media import Frames, MediaKind

# Control characters, unpaired surrogates, line and paragraph separators.
_UNPRINTABLE = frozenset({"Cc", "Cs", "Zl", "Zp"})


class TaskOptions(BaseModel):
    """Base of every task's options: frozen, unknown keys refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Answer(BaseModel):
    """Base of what a model is asked to answer with."""

    model_config = ConfigDict(extra="ignore", strict=True)


class Task(ABC):
    """One thing a model can be asked about an item.

    A task holds no state: everything that varies comes in with its options. A new task
    is one file with a subclass, and one line in `operators.tasks.registry`.

    Attributes:
        id: As written in a job file.
        version: Raised when the same options would give different answers.
        summary: One line for `tagline tasks`.
        takes: The kinds of item it can be asked about.
        table: The output table of its rows.
        columns: The table's columns beside key and provenance.
        Options: Its options in a job file.
    """

    id: ClassVar[str]
    version: ClassVar[int]
    summary: ClassVar[str]
    takes: ClassVar[frozenset[MediaKind]]
    table: ClassVar[str]
    columns: ClassVar[tuple[pa.Field, ...]]
    Options: ClassVar[type[TaskOptions]]

    @abstractmethod
    def system(self, options: Any) -> str:
        """The instruction: the same for every item, so that its prefix is shared."""

    @abstractmethod
    def user(self, options: Any, frames: Frames) -> str:
        """What is said of this item, after its media."""

    @abstractmethod
    def answer_schema(self, options: Any, frame_count: int) -> dict[str, Any]:
        """JSON Schema that the answer is held to while it is being written.

        Args:
            options: This task's options.
            frame_count: Images or frames in the prompt.
        """

    @abstractmethod
    def max_tokens(self, options: Any) -> int:
        """Tokens that are enough for the longest answer of the schema, nearly always."""

    @abstractmethod
    def read(self, text: str, options: Any, frames: Frames) -> dict[str, Any]:
        """Turn the model's text into a value for each of `columns`.

        Raises:
            ItemFailure: With code unparsable, carrying the text.
        """


def read_answer(model: type[Answer], text: str) -> Any:
    """Parse an answer, forgiving what does not change its meaning.

    White space and a Markdown fence around the JSON object, and raw control characters
    inside its strings, are accepted; anything else that breaks the schema is not.

    Args:
        model: The form it must have.
        text: What the model wrote.

    Returns:
        An instance of ``model``.

    Raises:
        ItemFailure: With code unparsable, carrying the text.
    """
    try:
        value = json.loads(_without_fence(text), strict=False)
        return model.model_validate(value)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "the answer"
        reason = f"{where}: {first['msg']}"
    except (json.JSONDecodeError, RecursionError) as error:
        reason = str(error)
    raise ItemFailure(
        Stage.PARSE,
        FailureCode.UNPARSABLE,
        f"the answer does not have the form asked for ({reason})",
        raw_text=text,
    )


def _without_fence(text: str) -> str:
    stripped = text.strip()
    if stripped.startswith("```") and stripped.endswith("```"):
        stripped = stripped[3:-3].removeprefix("json").strip()
    return stripped


def one_line(text: str) -> str:
    """Collapse white space, line breaks and control characters to single spaces."""
    printable = "".join(" " if unicodedata.category(c) in _UNPRINTABLE else c for c in text)
    return " ".join(printable.split())


def written_line(text: str, raw_text: str) -> str:
    """Like `one_line`, for text that must not be empty.

    Raises:
        ItemFailure: With code unparsable, carrying ``raw_text``.
    """
    line = one_line(text)
    if not line:
        raise ItemFailure(
            Stage.PARSE, FailureCode.UNPARSABLE, "the answer's text is empty", raw_text=raw_text
        )
    return line


def closed_object(properties: dict[str, Any]) -> dict[str, Any]:
    """A JSON Schema object in which every property is required and no other allowed."""
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


def bounded_string(max_chars: int) -> dict[str, Any]:
    """A JSON Schema string of 1 to ``max_chars`` characters."""
    return {"type": "string", "minLength": 1, "maxLength": max_chars}
