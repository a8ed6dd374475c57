"""A shop's listings: a category first, then what is asked of its things."""

from __future__ import annotations

import json
from typing import Any

import pytest

from operators.base import Completion
from operators.tasks.base import Reply, Subject
from operators.tasks.reading import read_answer
from schemas.failure import UsageError
from tests.operators.tasks.asking import (
    CATEGORIES,
    bound,
    frames_for,
)


def listing(category: str, answer: dict[str, Any], **options: Any) -> dict[str, Any]:
    """A whole conversation: the category's answer, then the listing's."""
    task = bound("listing", categories=CATEGORIES, **options)
    subject = Subject(frames_for(task), {"text": "A blue mug."}, places=(0, 2, 3))
    talk = task.task.converse(task.options, subject)
    replies = [{"category": category}, answer]
    questions = next(talk)
    try:
        while True:
            [question] = questions
            assert 'text: "A blue mug."' in question.user
            text = json.dumps(replies.pop(0))
            completion = Completion(text, "stop", 1, 1, 1)
            questions = talk.send([Reply(read_answer(question.answer, text), completion)])
    except StopIteration as end:
        return end.value.model_dump()


def test_what_is_claimed_and_seen_alike_is_no_conflict() -> None:
    conflicts = [
        {"claim": "Mug", "seen": " mug ", "image": 1},
        {"claim": "blue mug", "seen": "red mug", "image": 1},
        {"claim": "large  Mug", "seen": "large mug", "image": 2},
    ]
    answer = {
        "title": "Red mug",
        "description": "A mug.",
        "attributes": {"a1": None, "a2": None, "a3": None},
        "tags": ["mug"],
        "conflicts": conflicts,
    }
    row = listing("mug", answer, context=["text"])
    assert row["conflicts"] == [{"claim": "blue mug", "seen": "red mug", "image": 0}]


def test_a_listings_attributes_are_those_of_its_category_and_name_their_photograph():
    answer = {
        "title": "Red mug",
        "description": "A mug.",
        "attributes": {
            "a1": {"value": "red", "image": 2},
            "a2": None,
            "a3": {"value": True, "image": 1},
        },
        "tags": ["Mug", "mug"],
        "conflicts": [{"claim": "blue", "seen": "red", "image": 3}],
    }
    row = listing("mug", answer, context=["text"])
    assert row["category"] == "mug"
    assert row["attributes"] == [
        {"name": "colour", "value": "red", "image": 2},
        {"name": "dishwasher", "value": "yes", "image": 0},
    ]
    assert row["conflicts"] == [{"claim": "blue", "seen": "red", "image": 3}]
    assert row["tags"] == ["mug"]


def test_a_thing_of_no_category_has_no_attributes():
    answer = {"title": "A thing", "description": "It is.", "tags": [], "conflicts": []}
    row = listing("other", answer, context=["text"])
    assert (row["category"], row["attributes"]) == ("other", [])


@pytest.mark.parametrize(
    ("categories", "message"),
    [
        ({}, "at least 1"),
        ({"other": {"a": "text"}}, "none of them called 'other'"),
        ({"mug": {}}, "at least 1"),
        ({"mug": {"colour": ["red"]}}, "at least two different values for 'colour'"),
        ({"mug": {"colour": "date"}}, "'text', 'number', 'yes_no' or 'choice'"),
        ("mug", "tuple"),
    ],
)
def test_categories_with_a_defect_are_refused(categories, message):
    with pytest.raises(UsageError, match=message):
        bound("listing", categories=categories)
