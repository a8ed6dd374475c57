from __future__ import annotations

import json
from typing import Any

import pytest
import xgrammar
from xgrammar.testing import _is_grammar_accept_string

from operators.engine_grammar import grammar_of
from schemas.failure import FailureCode, ItemFailure

SCHEMA = {
    "type": "object",
    "properties": {
        "name": {"type": "string", "minLength": 1, "maxLength": 5},
        "tags": {"type": "array", "items": {"enum": ["a", "b"]}, "maxItems": 2},
        "count": {"type": "integer", "minimum": 0, "maximum": 20},
        "sure": {"type": ["boolean", "null"]},
    },
    "required": ["name", "tags", "count", "sure"],
    "additionalProperties": False,
}
GOOD = {"name": "mug", "tags": ["a", "b"], "count": 12, "sure": None}


def accepts(text: str, schema: dict[str, Any] = SCHEMA) -> bool:
    return _is_grammar_accept_string(xgrammar.Grammar.from_ebnf(grammar_of(schema)), text)


def test_json_is_accepted_with_white_space_where_models_write_it_and_nowhere_else() -> None:
    assert accepts(json.dumps(GOOD))
    assert not accepts(json.dumps(GOOD, separators=(",", ":")))
    assert not accepts(json.dumps(GOOD, indent=1))
    assert not accepts(json.dumps(GOOD) + " ")


@pytest.mark.parametrize(
    "spoilt",
    [
        {"name": "teapot"},
        {"name": ""},
        {"tags": ["c"]},
        {"tags": ["a", "b", "a"]},
        {"count": 21},
        {"sure": "yes"},
        {"more": 1},
    ],
)
def test_what_breaks_the_schema_cannot_be_written(spoilt: dict[str, Any]) -> None:
    assert not accepts(json.dumps(GOOD | spoilt))


def test_a_schema_that_makes_no_grammar_is_that_items_failure() -> None:
    with pytest.raises(ItemFailure, match="no such type") as caught:
        grammar_of({"type": "no such type"})
    assert caught.value.code is FailureCode.ENGINE_REFUSED
