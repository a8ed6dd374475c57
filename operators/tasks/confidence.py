"""How sure a model was of what it chose, from the probabilities of its tokens."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence

from operators.base import Completion


def choice_probabilities(completion: Completion, choices: Sequence[str]) -> list[float | None]:
    """The probability of each text in an answer, given all that stands before it.

    It is the product of the probabilities of the tokens that spell the text. The engine
    gives these among the tokens that the schema allowed, so they say how the model divided
    between the choices, and not whether any of them was right.

    Args:
        completion: With `Completion.chances`.
        choices: Strings of the JSON answer, in the order in which they stand there.

    Returns:
        A number from 0 to 1 for each; None where it was not measured.
    """
    found: list[float | None] = []
    cursor = 0
    for choice in choices:
        quoted = json.dumps(choice, ensure_ascii=False)
        start = _value(completion.text, quoted, cursor)
        if start < 0 or not completion.chances:
            found.append(None)
            continue
        cursor = start + len(quoted)
        found.append(_probability(completion, start, cursor))
    return found


def _value(text: str, quoted: str, cursor: int) -> int:
    """Where a string next stands as a value; a key of the same spelling is passed over."""
    start = text.find(quoted, cursor)
    while start >= 0 and text[start + len(quoted) :].lstrip().startswith(":"):
        start = text.find(quoted, start + len(quoted))
    return start


def _probability(completion: Completion, start: int, end: int) -> float:
    logprob, begin = 0.0, 0
    for chance in completion.chances:
        if chance.end > start and begin < end:
            logprob += chance.logprob
        begin = chance.end
    return math.exp(min(logprob, 0.0))
