"""What every task promises of its prompts, schemas and answers."""

from __future__ import annotations

import json
from typing import Any

import jsonschema
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from operators.base import Completion
from operators.tasks.arrow import Row
from operators.tasks.base import Question, Reply, Subject
from operators.tasks.reading import read_answer
from operators.tasks.registry import TASKS, BoundTask, bind_task, bind_tasks
from schemas.failure import FailureCode, ItemFailure, Stage, UsageError
from schemas.job import TaskSpec
from schemas.media import Frames, MediaKind

QUESTIONS = [
    "What is it made of?",
    {"question": "Is it new?", "type": "yes_no"},
    {"question": "How many are there?", "type": "number"},
    {"question": "Which side?", "type": "choice", "choices": ["left", "right"]},
]
SCHEMA = {
    "type": "object",
    "required": ["brand", "sizes", "label"],
    "properties": {
        "brand": {"type": "string", "maxLength": 30, "description": "as printed"},
        "sizes": {"type": "array", "maxItems": 3, "items": {"enum": ["S", "M", "L"]}},
        "price": {"type": "number", "minimum": 0, "maximum": 500},
        "pieces": {"type": ["integer", "null"], "minimum": 1},
        "label": {"type": "object", "properties": {"clean": {"type": "boolean"}}},
    },
}
CATEGORIES = {
    "mug": {"colour": ["red", "blue"], "volume ml": "number", "dishwasher": "yes_no"},
    "shirt": {"fabric": "text"},
}
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
PTS = (0.0, 0.5, 2.0, 7.25)


def frames_for(task: BoundTask) -> Frames:
    if MediaKind.VIDEO in task.task.takes:
        shapes = ((2, 2),) * len(PTS)
        return Frames(MediaKind.VIDEO, bytes(12 * len(PTS)), shapes, PTS, duration_s=8.0)
    if MediaKind.IMAGES in task.task.takes:
        return Frames(MediaKind.IMAGES, bytes(36), ((2, 2),) * 3)
    return Frames(MediaKind.IMAGE, bytes(12), ((2, 2),))


def question_of(task: BoundTask) -> Question:
    return task.task.question(task.options, Subject(frames_for(task)))


def answered(task: BoundTask, text: str) -> Row:
    value = read_answer(question_of(task).answer, text)
    return task.task.row(task.options, value, Subject(frames_for(task)))


def read(task: BoundTask, text: str) -> dict[str, Any]:
    return answered(task, text).model_dump()


def schema_of(task: BoundTask) -> dict[str, Any]:
    return question_of(task).schema


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


def summary(**changes: Any) -> str:
    answer = {
        "summary": "A ball rolls.",
        "chapters": [{"first_frame": 1, "last_frame": 4, "title": "all", "text": "it rolls"}],
        "key_moments": [{"first_frame": 1, "last_frame": 2, "title": "it starts"}],
        "key_points": [],
        "tags": ["Ball", "ball"],
    }
    return json.dumps(answer | changes)


def test_key_moments_are_the_seconds_of_the_frames_they_name():
    moments = [
        {"first_frame": 4, "last_frame": 3, "title": "it stops"},
        {"first_frame": 1, "last_frame": 2, "title": "it starts"},
    ]
    row = read(bound("video_summary"), summary(key_moments=moments))
    assert [(m["start_s"], m["end_s"], m["title"]) for m in row["key_moments"]] == [
        (0.0, 0.5, "it starts"),
        (2.0, 7.25, "it stops"),
    ]
    assert row["key_moments"][1]["frame_pts"] == [2.0, 7.25]
    assert row["tags"] == ["ball"]


def test_chapters_do_not_overlap_and_name_the_frames_inside_them():
    chapters = [
        {"first_frame": 2, "last_frame": 4, "title": "b", "text": "x"},
        {"first_frame": 1, "last_frame": 2, "title": "a", "text": "x"},
        {"first_frame": 3, "last_frame": 3, "title": "inside b", "text": "x"},
    ]
    row = read(bound("video_summary"), summary(chapters=chapters))
    assert [(c["title"], c["start_s"], c["end_s"]) for c in row["chapters"]] == [
        ("a", 0.0, 0.5),
        ("b", 2.0, 7.25),
    ]
    for chapter in row["chapters"]:
        assert all(chapter["start_s"] <= p <= chapter["end_s"] for p in chapter["frame_pts"])


def test_a_frame_that_was_not_shown_makes_the_answer_unparsable():
    moment = {"first_frame": 1, "last_frame": 5, "title": "x"}
    with pytest.raises(ItemFailure, match="less than or equal to 4"):
        read(bound("video_summary"), summary(key_moments=[moment]))


def test_a_schema_of_the_users_own_becomes_typed_columns():
    task = bound("extract", json_schema=SCHEMA)
    columns = {field.name: field for field in task.task.columns(task.options)}
    assert columns["sizes"].type == pa.list_(pa.string())
    assert (columns["price"].type, columns["price"].nullable) == (pa.float64(), True)
    assert (columns["pieces"].type, columns["brand"].nullable) == (pa.int64(), False)
    label = columns["label"].type
    assert label.field("clean").type == pa.bool_()
    assert task.table == "extract"
    assert bound("extract", json_schema=SCHEMA, table="labels").table == "labels"
    asked = question_of(task)
    assert "brand (as printed)" in asked.system
    assert "price (null if it cannot be seen)" in asked.system


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


def test_a_schema_may_lie_in_a_file(tmp_path):
    path = tmp_path / "schema.json"
    path.write_text(json.dumps(SCHEMA))
    of_file = bound("extract", json_schema=str(path)).fingerprint_parts()
    assert of_file == bound("extract", json_schema=SCHEMA).fingerprint_parts()


@pytest.mark.parametrize(
    ("part", "message"),
    [
        ({"type": "string", "pattern": "a+"}, "json_schema.x: an answer cannot be held to pat"),
        ({"type": "date"}, "expected a type out of"),
        ({"type": ["string", "integer"]}, "expected a type out of"),
        ({"type": "array"}, "json_schema.x.items: expected a schema"),
        ({"type": "object"}, "expected properties"),
        ({"enum": ["a", "a"]}, "different texts"),
        ({"enum": [1, 2]}, "different texts"),
        ({"type": "integer", "minimum": 5, "maximum": 1}, "numbers in order"),
        ({"$ref": "#/x"}, "expected a type"),
        (3, "expected a schema, not 3"),
    ],
)
def test_a_schema_that_no_answer_can_be_held_to_is_refused_at_its_place(part, message):
    with pytest.raises(UsageError, match=message):
        bound("extract", json_schema={"type": "object", "properties": {"x": part}})


@pytest.mark.parametrize(
    ("schema", "message"),
    [
        ("/nowhere/schema.json", "cannot be read"),
        ({"type": "string"}, "expected type: object"),
        ({"type": "object", "properties": {"item_id": {"type": "string"}}}, "every table"),
        ({"type": "object", "properties": {"a b": {"type": "string"}}}, "expected names"),
    ],
)
def test_a_schema_that_makes_no_columns_is_refused(schema, message):
    with pytest.raises(UsageError, match=message):
        bound("extract", json_schema=schema)


def test_two_tasks_cannot_write_different_columns_to_one_table():
    other = {"type": "object", "properties": {"x": {"type": "string"}}}
    specs = [
        TaskSpec(task="extract", name=name, options={"json_schema": schema, "table": "t"})
        for name, schema in (("a", SCHEMA), ("b", other))
    ]
    with pytest.raises(UsageError, match="different columns to table 't'"):
        bind_tasks(specs)
    own = {"json_schema": other, "table": "failures"}
    with pytest.raises(UsageError, match="a table of Tagline's own"):
        bind_tasks([TaskSpec(task="extract", name="x", options=own)])


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
    assert read(bound("video_tags"), json.dumps(tags))["tags"] == [
        {"tag": "ball", "seen_s": [0.0, 2.0]}
    ]


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
