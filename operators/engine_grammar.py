"""From a JSON Schema to the grammar that an answer is held to while it is written.

vLLM would make one itself, but with white space either anywhere, with which some models fill
their whole answer, or nowhere, as no model is used to write JSON. This one has it after commas
and colons, as in the form that the prompt shows.
"""

from __future__ import annotations

import json
from functools import lru_cache
from typing import Any

from schemas.failure import FailureCode, ItemFailure, Stage

SEPARATORS = (", ", ": ")
KEPT = 512
"""Grammars kept: a job has some for each task, and one for each branch of a taxonomy."""


def grammar_of(schema: dict[str, Any]) -> str:
    """The grammar in xgrammar's EBNF.

    Raises:
        ItemFailure: If xgrammar cannot make one; `tagline validate` refuses such schemas.
    """
    try:
        return _grammar(json.dumps(schema))
    except RuntimeError as error:
        raise ItemFailure(
            Stage.ANNOTATE,
            FailureCode.ENGINE_REFUSED,
            f"an answer cannot be held to this schema: {error}",
        ) from error


@lru_cache(KEPT)
def _grammar(schema: str) -> str:
    import xgrammar

    return str(
        xgrammar.Grammar.from_json_schema(schema, any_whitespace=False, separators=SEPARATORS)
    )
