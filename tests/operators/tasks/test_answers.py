"""What every task promises of its schemas and answers."""

from __future__ import annotations

import json
from typing import Any

import jsonschema
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from operators.tasks.base import Subject
from operators.tasks.reading import read_answer
from operators.tasks.registry import TASKS, bind_task
from schemas.failure import FailureCode, ItemFailure, Stage, UsageError
from schemas.job import TaskSpec
from tests.operators.tasks.asking import (
    CATEGORIES,
    QUESTIONS,
    SCHEMA,
    VOCABULARY,
    bound,
    frames_for,
    question_of,
    read,
    schema_of,
)

BOUND = [
    bound("caption"),
    bound("caption", max_chars=40, language="German"),
    bound("tags"),
    bound("tags", vocabulary=VOCABULARY, max_tags=2),
    bound("video_summary"),
    bound("video_summary", max_moments=2, max_tags=1, max_chars=100),
    bound("video_summary", style="lecture"),
    bound("vqa", questions=QUESTIONS),
    bound("sentiment"),
    bound("extract", json_schema=SCHEMA),
    bound("listing", categories=CATEGORIES),
    bound("sequence"),
    bound("compare"),
    bound("story"),
    bound("video_qa", questions=QUESTIONS),
    bound("video_sentiment"),
    bound("video_tags"),
    bound("video_tags", vocabulary=VOCABULARY),
]


@st.composite
def schema_valid(draw, schema: dict[str, Any]) -> Any:
    """Any value that the schema allows, for the parts of JSON Schema that tasks use."""
    if "anyOf" in schema:
        return draw(schema_valid(draw(st.sampled_from(schema["anyOf"]))))
    if "enum" in schema:
        return draw(st.sampled_from(schema["enum"]))
    kind = schema["type"]
    if kind == "object":
        return {k: draw(schema_valid(v)) for k, v in schema["properties"].items()}
    if kind == "array":
        limits = {"min_size": schema.get("minItems", 0), "max_size": schema["maxItems"]}
        return draw(st.lists(schema_valid(schema["items"]), **limits))
    if kind == "integer":
        return draw(st.integers(schema["minimum"], schema["maximum"]))
    if kind == "number":
        return draw(st.floats(schema["minimum"], schema["maximum"]))
    if kind == "null":
        return None
    if kind == "boolean":
        return draw(st.booleans())
    assert kind == "string"
    return draw(st.text(min_size=schema["minLength"], max_size=min(30, schema["maxLength"])))


@pytest.mark.parametrize("task", BOUND, ids=lambda b: b.name)
@given(data=st.data())
def test_a_schema_valid_answer_becomes_a_typed_row_or_a_typed_failure(task, data):
    answer = data.draw(schema_valid(schema_of(task)))
    jsonschema.validate(answer, schema_of(task))
    try:
        row = read(task, json.dumps(answer))
    except ItemFailure as failure:
        assert (failure.stage, failure.code) == (Stage.PARSE, FailureCode.UNPARSABLE)
        assert "empty" in failure.message
        return
    columns = pa.schema(list(task.task.columns(task.options)))
    pa.Table.from_pylist([row], schema=columns).validate(full=True)
    json.dumps(row).encode("utf-8")


@pytest.mark.parametrize("task", BOUND, ids=lambda b: b.name)
@given(text=st.text() | st.sampled_from(["[]", "null", "{}", "[" * 100_000, '{"tags": [1]}']))
def test_any_text_becomes_a_row_or_an_unparsable_failure_that_carries_it(task, text):
    try:
        read(task, text)
    except ItemFailure as failure:
        assert failure.code is FailureCode.UNPARSABLE
        assert failure.retryable
        assert failure.raw_text == text[:20_000]


@pytest.mark.parametrize("task", BOUND, ids=lambda b: b.name)
def test_the_instruction_holds_nothing_of_an_item(task):
    question = question_of(task)
    assert "Answer as JSON: {" in question.system
    assert question.max_tokens > 16
    assert task.task.takes
    assert task.task.summary.endswith(".")


def test_a_fence_and_raw_line_breaks_are_forgiven():
    caption = bound("caption")
    row = read(caption, '```json\n{"caption": "a red\n mug"}\n```')
    assert row == {"caption": "a red mug", "style": "detailed", "caution": None}


def test_a_clinical_caption_carries_a_caution_and_is_told_not_to_diagnose():
    clinical = bound("caption", style="clinical")
    assert (
        "Not a diagnosis" in read(clinical, '{"caption": "A chest, frontal view."}')["caution"]
    )
    assert "Never name a disease" in question_of(clinical).system


def test_a_tag_outside_the_vocabulary_cannot_come_out():
    tags = bound("tags", vocabulary=VOCABULARY)
    assert schema_of(tags)["properties"]["tags"]["items"]["enum"] == VOCABULARY
    with pytest.raises(ItemFailure, match="'mug', 'red lamp'"):
        read(tags, '{"tags": ["mug", "lamp"]}')


def test_tags_come_once_in_order_and_free_ones_in_lower_case():
    rows = read(bound("tags", max_tags=5), '{"tags": ["B ", "a", "b", "A", "c"]}')
    assert [tag["tag"] for tag in rows["tags"]] == ["b", "a", "c"]


def test_every_task_is_tried_here():
    assert {one.task.id for one in BOUND} == set(TASKS)


def test_answers_come_in_words_and_in_their_own_type():
    text = '{"q1": "wood", "q2": true, "q3": 3, "q4": "left"}'
    rows = read(bound("vqa", questions=QUESTIONS), text)["answers"]
    assert [row["answer"] for row in rows] == ["wood", "yes", "3", "left"]
    assert (rows[1]["yes"], rows[2]["number"], rows[3]["choice"]) == (True, 3, "left")
    assert rows[0]["question"] == "What is it made of?"


def test_evidence_is_given_in_seconds():
    answer = {"q1": {"frames": [4, 2, 2], "answer": "a ball"}}
    [row] = read(bound("video_qa", questions=["What rolls?"]), json.dumps(answer))["answers"]
    assert row["evidence_s"] == [0.5, 7.25]
    tags = {"tags": [{"tag": "Ball", "frames": [3]}, {"tag": "ball", "frames": [1]}]}
    [tag] = read(bound("video_tags"), json.dumps(tags))["tags"]
    assert (tag["tag"], tag["seen_s"]) == ("ball", [0.0, 2.0])


def test_steps_name_images_by_their_place_in_the_item():
    task = bound("sequence")
    subject = Subject(frames_for(task), places=(0, 2, 3))
    text = '{"description": "x", "steps": [{"image": 3, "text": "y"}]}'
    value = read_answer(question_of(task).answer, text)
    assert task.task.row(task.options, value, subject).steps[0].image == 3


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "required"),
        ({"questions": []}, "at least 1"),
        ({"questions": [{"question": "x", "type": "choice", "choices": ["a"]}]}, "two"),
        ({"questions": [{"question": "x", "choices": ["a", "b"]}]}, "type choice only"),
        ({"questions": ["x"], "prompt": "{{ options."}, "line 1 of the prompt"),
        ({"questions": ["x"], "prompt": "{{ context.title }}"}, "cannot be filled in"),
    ],
)
def test_wrong_options_are_told_when_the_job_is_read(options, message):
    with pytest.raises(UsageError, match=message):
        bound("vqa", **options)


def test_options_change_the_fingerprint_and_the_name_does_not():
    parts = bound("caption").fingerprint_parts()
    assert parts != bound("caption", max_chars=41).fingerprint_parts()
    renamed = bind_task(TaskSpec(task="caption", name="short", options={}))
    assert parts == renamed.fingerprint_parts()


@pytest.mark.parametrize(
    ("spec", "says"),
    [
        (TaskSpec(task="capture", name="x"), "caption"),
        (TaskSpec(task="caption", name="x", options={"max_chars": -1}), "max_chars"),
        (TaskSpec(task="tags", name="x", options={"vocabulary": ["a", "a"]}), "twice"),
        (TaskSpec(task="tags", name="x", options={"vocabulary": []}), "vocabulary"),
    ],
)
def test_wrong_tasks_and_options_are_usage_errors(spec, says):
    with pytest.raises(UsageError, match=says):
        bind_task(spec)
