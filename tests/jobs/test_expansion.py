from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.expansion import expand_variables

ENVIRON = {"SHOP": "spring", "EMPTY": "", "BAD": "\udcff"}


def expanded(value, expected_problems: int = 0):
    problems: list = []
    result = expand_variables(value, problems, ENVIRON)
    assert len(problems) == expected_problems, problems
    return result


@pytest.mark.parametrize(
    ("text", "result"),
    [
        ("s3://${SHOP}/x", "s3://spring/x"),
        ("${SHOP}${SHOP}", "springspring"),
        ("${EMPTY}", ""),
        ("${EMPTY:-other}", "other"),
        ("${NONE:-}", ""),
        ("${NONE:-a b/c}", "a b/c"),
        ("${SHOP:-other}", "spring"),
        ("$SHOP costs 5$ {x}", "$SHOP costs 5$ {x}"),
        ("$${SHOP}", "${SHOP}"),
    ],
)
def test_variables_and_defaults(text, result):
    assert expanded(text) == result


def test_values_at_any_depth_are_expanded_and_others_kept():
    value = {"a": ["${SHOP}", 1, None], "b": {"c": "${SHOP}", "d": True}}
    assert expanded(value) == {"a": ["spring", 1, None], "b": {"c": "spring", "d": True}}


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("${NONE}", "NONE is not set"),
        ("${NONE-x}", "expected ${NAME}"),
        ("${}", "expected ${NAME}"),
        ("${SHOP", "expected ${NAME}"),
        ("${NONE:-${SHOP}}", "expected ${NAME}"),
        ("${BAD}", "surrogates"),
        ("a\0b", "NUL"),
    ],
)
def test_what_cannot_be_expanded_is_a_problem_at_its_place(text, says):
    problems: list = []
    expand_variables({"tasks": [{"prompt": text}]}, problems, ENVIRON)
    [problem] = problems
    assert problem.where == "tasks[0].prompt"
    assert says in problem.expected


@given(text=st.text(st.characters(exclude_characters="$\0", exclude_categories=["Cs"])))
def test_text_without_variables_is_left_as_it_is(text):
    assert expanded(text) == text


@given(value=st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])))
def test_a_value_is_never_expanded_again(value):
    problems: list = []
    assert expand_variables("<${X}>", problems, {"X": value}) == f"<{value}>"
    assert problems == []
