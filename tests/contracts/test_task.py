"""Every task with every family that takes its input, as vLLM itself runs it."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa
import pytest

from operators.annotate import AnnotateOperator
from operators.base import EngineSpec, Sampling
from operators.tasks.base import Subject
from operators.tasks.registry import TASKS, WINDOWS, BoundTask, bind_task
from schemas.item import (
    DecodedItem,
    Item,
    Medium,
    PendingTask,
)
from schemas.item_tables import decoded_to_table
from schemas.job import TaskSpec
from schemas.media import Frames, MediaKind, Part
from tests.fixtures.engines import (
    RunningEngine,
    picture,
    pictures,
    video,
)

QUESTIONS = ["What?", {"question": "Is it?", "type": "yes_no"}]
SHORT = {
    "caption": {"max_chars": 20},
    "tags": {"max_tags": 2},
    "vqa": {"questions": QUESTIONS, "max_chars": 8},
    "sentiment": {"max_chars": 20},
    "extract": {
        "json_schema": {
            "type": "object",
            "properties": {
                "brand": {"type": "string", "maxLength": 8},
                "price": {"type": ["number", "null"], "maximum": 99},
                "new": {"type": "boolean"},
            },
        }
    },
    "sequence": {"max_chars": 20, "max_steps": 1},
    "compare": {"max_points": 1},
    "story": {"max_chars": 50},
    "listing": {
        "categories": {"mug": {"colour": ["red", "blue"]}},
        "max_chars": 20,
        "max_tags": 0,
        "max_conflicts": 1,
    },
    "video_summary": {
        "max_chars": 20,
        "max_chapters": 1,
        "max_moments": 1,
        "max_points": 0,
        "max_tags": 1,
    },
    "video_qa": {"questions": QUESTIONS, "max_chars": 8},
    "video_sentiment": {"max_chars": 20, "max_spans": 1},
    "video_tags": {"max_tags": 2},
}
SHOWN = {
    MediaKind.IMAGE: picture(130, 90),
    MediaKind.IMAGES: pictures((60, 60), (90, 40)),
    MediaKind.VIDEO: video(3, 56, 56),
}
CASES = [(task, kind) for task in TASKS.values() for kind in sorted(task.takes, key=str)]


def test_every_task_is_run_here() -> None:
    assert SHORT.keys() == TASKS.keys()


def annotated(running: RunningEngine, bounds: list[tuple[BoundTask, Frames]]) -> pa.Table:
    """All of them at once, through the operator, as a job would."""
    operator = AnnotateOperator(
        EngineSpec("vllm"), running.family.id, running.geometry, [b for b, _ in bounds]
    )
    operator.use(running.engine)
    items = [
        DecodedItem(
            Item(
                bound.name,
                frames.kind,
                "v1",
                tuple(Medium(f"{bound.name}-{n}", 1, "v1") for n in range(2)),
                (PendingTask(bound.name, "f"),),
            ),
            frames,
            None,
        )
        for bound, frames in bounds
    ]
    return operator(decoded_to_table(items))


def bound_as(name: str, task: str) -> BoundTask:
    return bind_task(TaskSpec(task=task, name=name, options=SHORT[task]))


def test_rows_are_whole_and_true_to_their_schema(running: RunningEngine) -> None:
    bounds = [
        (
            bind_task(TaskSpec(task=task.id, name=f"{task.id}-{kind}", options=SHORT[task.id])),
            kind,
        )
        for task, kind in CASES
        if kind in running.family.takes
    ]
    rows = annotated(running, [(bound, SHOWN[kind]) for bound, kind in bounds]).to_pylist()
    assert len(rows) == len(bounds)
    for row, (bound, kind) in zip(rows, bounds, strict=True):
        # An untrained model may fill a text with blanks; nothing else may go wrong.
        if row["failure"] is not None:
            assert row["failure"]["code"] in ("unparsable", "answer_cut"), row["failure"]
            assert row["failure"]["raw_text"]
            continue
        columns = pa.schema(list(bound.task.columns(bound.options)))
        answer = json.loads(row["answer"])
        assert list(answer) == columns.names
        pa.Table.from_pylist([answer], schema=columns).validate(full=True)
        shown = running.family.image_tokens(SHOWN[kind], running.geometry)
        # Every question of a task shows the media.
        questions, rest = divmod(row["image_tokens"], shown)
        assert (questions >= 1, rest) == (True, 0)
        assert row["prompt_tokens"] > shown
        assert row["output_tokens"] > 0
        assert row["finish_reason"] == "stop"
    whole = sum(row["failure"] is None for row in rows)
    assert whole >= len(rows) // 2, [row["failure"] for row in rows]


def test_a_long_video_is_summarised_from_its_windows(running: RunningEngine) -> None:
    if MediaKind.VIDEO not in running.family.takes:
        return
    bound = bound_as("video_summary", "video_summary")
    tasks = (PendingTask(bound.name, "f"), PendingTask(WINDOWS.name, "w"))
    item = Item("long", MediaKind.VIDEO, "v1", (Medium("long", 1, "v1"),), tasks)
    windows = [video(2, 56, 56, start_s=4.0 * n) for n in range(2)]
    last = Frames(MediaKind.VIDEO, b"", (), duration_s=8.0)
    parts = [DecodedItem(item, shown, None, (), Part(n)) for n, shown in enumerate(windows)]
    parts.append(DecodedItem(item, last, None, (), Part(2, 3)))
    operator = AnnotateOperator(
        EngineSpec("vllm"), running.family.id, running.geometry, [bound]
    )
    operator.use(running.engine)
    first = operator(decoded_to_table(parts[1:]))
    assert first.num_rows == 0
    rows = {row["task"]: row for row in operator(decoded_to_table(parts[:1])).to_pylist()}
    summary = rows["video_summary"]
    assert summary["frame_pts"] == [0.0, 0.5, 4.0, 4.5]
    if summary["failure"] is not None:
        # An untrained model may fill a text with blanks; nothing else may go wrong.
        assert summary["failure"]["code"] in ("unparsable", "answer_cut"), summary["failure"]
        return
    assert summary["image_tokens"] == 0
    described = rows[WINDOWS.name]
    shown = sum(running.family.image_tokens(one, running.geometry) for one in windows)
    assert described["image_tokens"] == shown
    assert len(json.loads(described["answer"])["windows"]) == 2


def test_a_taxonomy_is_walked_and_nothing_outside_it_comes_out(
    running: RunningEngine, tmp_path: Path
) -> None:
    file = tmp_path / "tags.csv"
    file.write_text("id,name,parent,synonyms\nk,kitchen,,\nm,mug,k,cup\np,pan,k,\nt,toys,,\n")
    options = {"taxonomy": str(file), "max_tags": 2}
    bounds = [
        (bind_task(TaskSpec(task=task, name=task, options=options)), SHOWN[kind])
        for task, kind in (("tags", MediaKind.IMAGE), ("video_tags", MediaKind.VIDEO))
        if kind in running.family.takes
    ]
    rows = annotated(running, bounds).to_pylist()
    assert len(rows) == len(bounds)
    for row, (bound, frames) in zip(rows, bounds, strict=True):
        assert row["failure"] is None, row["failure"]
        tags = json.loads(row["answer"])["tags"]
        assert tags
        for tag in tags:
            if tag["id"] is None:
                assert tag["tag"] == "none"
                continue
            assert tag["path"] == options_path(bound, tag["id"])
            assert 0 < tag["score"] <= 1
            assert set(tag.get("seen_s", ())) <= set(frames.pts_s)
        assert row["engine_tries"] >= 1


def options_path(bound: BoundTask, tag: str) -> list[str]:
    return [node.name for node in bound.options.taxonomy.path(tag)]


def test_the_chance_of_each_token_is_told_when_it_is_asked_for(running: RunningEngine) -> None:
    bound = bind_task(TaskSpec(task="tags", name="t", options={"vocabulary": ["red", "blue"]}))
    asked = bound.task.question(bound.options, Subject(SHOWN[MediaKind.IMAGE]))
    request = running.request(
        SHOWN[MediaKind.IMAGE],
        request_id=f"chance-{running.family.id}",
        sampling=Sampling(max_tokens=200, json_schema=asked.schema, measured=True),
    )
    completion = running.engine.submit(request).result(timeout=120)
    assert len(completion.chances) == completion.output_tokens
    ends = [chance.end for chance in completion.chances]
    assert ends == sorted(ends)
    assert ends[-1] >= len(completion.text)
    assert all(chance.logprob <= 0 for chance in completion.chances)
    # What the schema leaves no choice about is certain.
    assert completion.chances[0].logprob == pytest.approx(0, abs=0.7)
