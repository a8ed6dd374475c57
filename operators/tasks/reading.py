"""Reading what a model wrote."""

from __future__ import annotations

import json
from typing import Any

from pydantic import ValidationError

from operators.tasks.forms import Answer
from schemas.failure import FailureCode, ItemFailure, Stage


def read_answer(answer: type[Answer], text: str) -> Any:
    """Parse an answer, forgiving what does not change its meaning.

    White space and a Markdown fence around the JSON object, and raw control characters
    inside its strings, are accepted; anything else that breaks the form is not.

    Args:
        answer: The form it must have.
        text: What the model wrote.

    Returns:
        An instance of ``answer``.

    Raises:
        ItemFailure: With code unparsable, carrying the text.
    """
    try:
        value = json.loads(_without_fence(text), strict=False)
        return answer.model_validate(value)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "the answer"
        reason = f"{where}: {first['msg']}"
    except (json.JSONDecodeError, RecursionError, ValueError) as error:
        # Not only its own error: a number of 5,000 digits is a plain ValueError.
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
