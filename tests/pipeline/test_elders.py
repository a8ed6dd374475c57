"""Which rows of earlier runs may answer what a plan owes."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pyarrow as pa
import pytest
from deltalake import DeltaTable

from operators.sources.base import ListedItem
from pipeline.elders import read_elders
from schemas.failure import FailureCode
from schemas.item import Elder, Medium
from schemas.job import DuplicateSpec
from schemas.media import MediaKind
from tests.pipeline.rows import annotated, failed, listed
from tests.pipeline.test_plan import CAPTION, STORAGE, TAGS, commit, items_of, plan_of

ELDER = (Elder("old", "d"),)


@pytest.fixture
def root(tmp_path):
    return tmp_path / "out"


def key_of(root, item: ListedItem) -> int:
    """What `item` has in common with those of its content."""
    [planned] = items_of(plan_of(root, [item], duplicates=DuplicateSpec())).values()
    assert planned.content_key is not None
    return planned.content_key


def elders_of(root, item: ListedItem, tasks=(CAPTION,)) -> dict[str, tuple[Elder, ...]]:
    plan = plan_of(root, [item], tasks, duplicates=DuplicateSpec())
    [planned] = items_of(plan).values()
    return {task.name: task.elders for task in planned.tasks}


def on_s3(item_id: str, *, size: int = 10, etag: str = "e", **changes) -> ListedItem:
    uri = f"s3://b/{item_id}"
    return ListedItem(item_id, MediaKind.IMAGE, item_id, (Medium(uri, size, etag),), **changes)


def answered(root, of: ListedItem | None = None, **changes) -> dict:
    same = {"content_key": key_of(root, of or listed("old")), "content_digest": "d"}
    return annotated("old", **(same | changes))


def test_an_answer_of_the_same_content_is_offered_and_kept(root):
    said = json.dumps({"caption": 'Ein "Haus" 🏠\n', "style": "short", "caution": None})
    commit(root, answered(root, answer=said, frame_pts=[0.25], finish_reason="stop"))
    plan = plan_of(root, [listed("new")], duplicates=DuplicateSpec())
    [item] = items_of(plan).values()
    assert item.tasks[0].elders == ELDER
    [row] = pa.concat_tables(read_elders(plan.elders, STORAGE)).to_pylist()
    assert (row["item_id"], row["task"], row["of_elder"]) == ("old", "caption", True)
    assert json.loads(row["answer"]) == json.loads(said)
    assert (row["frame_pts"], row["finish_reason"]) == ([0.25], "stop")
    assert plan_of(root, [listed("new")]).elders == []


@pytest.mark.parametrize(
    "changes",
    [
        {"fingerprint": "f0"},
        {"content_digest": None},
        {"content_key": 1},
        {"copied_from": "other", "copy_distance": 2},
    ],
)
def test_an_answer_to_another_question_or_of_other_content_is_not(root, changes):
    commit(root, answered(root, **changes))
    assert elders_of(root, listed("new")) == {"caption": ()}


def test_nor_a_failure_nor_what_people_have_set(root):
    key = key_of(root, listed("old"))
    known = {"content_key": key, "content_digest": "d"}
    commit(root, failed("old", FailureCode.CORRUPT, **known), annotated("set", **known))
    DeltaTable(str(root / "captions")).update({"locked": "make_array('caption')"})
    assert elders_of(root, listed("new")) == {"caption": ()}


def test_files_on_s3_are_told_by_size_and_etag_and_items_by_their_context(root):
    commit(root, answered(root, on_s3("old")))
    assert elders_of(root, on_s3("new")) == {"caption": ELDER}
    for other in (
        on_s3("new", etag="f"),
        on_s3("new", size=11),
        on_s3("new", context={"title": "a cup"}),
    ):
        assert elders_of(root, other) == {"caption": ()}


def test_each_task_is_offered_its_own_answers(root):
    tags = {"tags": [], "dropped": [], "vocabulary_size": None}
    commit(root, answered(root, task="tags", answer=json.dumps(tags)))
    found = elders_of(root, listed("new"), (CAPTION, TAGS))
    assert found == {"caption": (), "tags": ELDER}


def test_of_many_contents_of_one_size_each_is_offered_once_and_few(root):
    rows = [
        answered(root) | {"item_id": f"{number:03}", "content_digest": f"{number // 2}"}
        for number in range(60)
    ]
    commit(root, *rows)
    [found] = elders_of(root, listed("new")).values()
    assert found == tuple(Elder(f"{2 * n:03}", f"{n}") for n in range(16))


def test_answers_that_many_items_wait_for_are_read_in_one_go(root, monkeypatch):
    monkeypatch.setattr("pipeline.elders.MOST_NAMED", 1)
    rows = [answered(root) | {"item_id": f"{n}", "content_digest": f"{n}"} for n in range(3)]
    commit(root, *rows)
    plan = plan_of(root, [listed("new")], duplicates=DuplicateSpec())
    found = pa.concat_tables(read_elders(plan.elders, STORAGE))
    assert sorted(found.column("item_id").to_pylist()) == ["0", "1", "2"]


def test_rows_that_are_gone_from_the_input_answer_as_well(root):
    commit(root, answered(root))
    moment = datetime(2026, 11, 1, tzinfo=UTC).isoformat()
    DeltaTable(str(root / "captions")).update({"gone_at": f"'{moment}'"})
    assert elders_of(root, listed("new")) == {"caption": ELDER}
