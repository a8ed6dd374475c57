"""What every task promises of its prompts, schemas and answers."""

from __future__ import annotations

import json
from typing import Any

import jsonschema
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from operators.tasks.registry import TASKS, BoundTask, bind_task
from schemas.failure import FailureCode, ItemFailure, Stage, UsageError
from schemas.job import TaskSpec
from schemas.media import Frames, MediaKind

VOCABULARY = ["mug", "red lamp", 'odd "name"', "ü"]


def bound(task: str, **options: Any) -> BoundTask:
    return bind_task(TaskSpec(task=task, name=task, options=options))


BOUND = [
    bound("caption"),
    bound("caption", max_chars=40, language="German"),
    bound("tags"),
    bound("tags", vocabulary=VOCABULARY, max_tags=2),
    bound("video_summary"),
    bound("video_summary", max_moments=2, max_tags=1, max_chars=100),
]
PTS = (0.0, 0.5, 2.0, 7.25)


def frames_for(task: BoundTask) -> Frames:
    if MediaKind.VIDEO in task.task.takes:
        shapes = ((2, 2),) * len(PTS)
        return Frames(MediaKind.VIDEO, bytes(12 * len(PTS)), shapes, PTS, duration_s=8.0)
    return Frames(MediaKind.IMAGE, bytes(12), ((2, 2),))


def read(task: BoundTask, text: str) -> dict[str, Any]:
    return task.task.read(text, task.options, frames_for(task))


def schema_of(task: BoundTask) -> dict[str, Any]:
    return task.task.answer_schema(task.options, len(frames_for(task).shapes))


@st.composite
def schema_valid(draw, schema: dict[str, Any]) -> Any:
    """Any value that the schema allows, for the parts of JSON Schema that tasks use."""
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
    pa.Table.from_pylist([row], schema=pa.schema(list(task.task.columns))).validate(full=True)
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


@pytest.mark.parametrize("task", TASKS.values(), ids=lambda t: t.id)
def test_the_instruction_is_the_same_for_all_items(task):
    system = task.system(task.Options())
    assert "JSON" in system
    assert task.takes
    assert task.summary.endswith(".")


def test_a_fence_and_raw_line_breaks_are_forgiven():
    caption = bound("caption")
    assert read(caption, '```json\n{"caption": "a red\n mug"}\n```') == {"caption": "a red mug"}


def test_a_tag_outside_the_vocabulary_cannot_come_out():
    tags = bound("tags", vocabulary=VOCABULARY)
    assert schema_of(tags)["properties"]["tags"]["items"]["enum"] == VOCABULARY
    with pytest.raises(ItemFailure, match="not in the vocabulary"):
        read(tags, '{"tags": ["mug", "lamp"]}')


def test_tags_come_once_in_order_and_free_ones_in_lower_case():
    rows = read(bound("tags", max_tags=3), '{"tags": ["B ", "a", "b", "A", " ", "c", "d"]}')
    assert [tag["tag"] for tag in rows["tags"]] == ["b", "a", "c"]


def test_key_moments_are_the_seconds_of_the_frames_they_name():
    answer = {
        "summary": "A ball rolls.",
        "key_moments": [
            {"first_frame": 4, "last_frame": 3, "title": "it stops"},
            {"first_frame": 1, "last_frame": 2, "title": "it starts"},
        ],
        "tags": ["Ball", "ball"],
    }
    row = read(bound("video_summary"), json.dumps(answer))
    assert [(m["start_s"], m["end_s"], m["title"]) for m in row["key_moments"]] == [
        (0.0, 0.5, "it starts"),
        (2.0, 7.25, "it stops"),
    ]
    assert row["key_moments"][1]["frame_pts"] == [2.0, 7.25]
    assert row["tags"] == ["ball"]


def test_a_frame_that_was_not_shown_makes_the_answer_unparsable():
    answer = {
        "summary": "x",
        "key_moments": [{"first_frame": 1, "last_frame": 5, "title": "x"}],
        "tags": [],
    }
    with pytest.raises(ItemFailure, match="frames 1 to 5 of 4"):
        read(bound("video_summary"), json.dumps(answer))


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
