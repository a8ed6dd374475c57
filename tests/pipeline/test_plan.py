from __future__ import annotations

import io
from dataclasses import replace

import pyarrow.parquet as pq
import pytest

from operators.storage import open_store
from pipeline.commit import ResultSink, RowOrigin
from pipeline.journal import Deaths, name_of
from pipeline.owed import OwedTask
from pipeline.plan import Plan, make_plan, remove_plan
from pipeline.state_sql import Retry
from schemas.failure import FailureCode
from schemas.item import Item, Medium
from schemas.item_tables import plan_to_items
from schemas.job import DuplicateSpec, OutputSpec, StorageSpec
from schemas.media import MediaKind
from tests.pipeline.rows import annotated, bound, failed, listed, table

STORAGE = StorageSpec(timeout_s=5)
CAPTION = OwedTask(bound("caption"), {"image": "f1"})
TAGS = OwedTask(bound("tags"), {"image": "f1"})
SUMMARY = OwedTask(bound("video_summary"), {"video": "f1"})


def plan_of(root, items, tasks=(CAPTION,), **options) -> Plan:
    return make_plan(iter(items), tasks, str(root), STORAGE, run_id="r", attempts=3, **options)


def items_of(plan: Plan) -> dict[str, Item]:
    found = {}
    for uri in plan.parts:
        data = open_store(uri, STORAGE).get(uri, max_bytes=10**9)
        for item in plan_to_items(pq.read_table(io.BytesIO(data))):
            assert item.item_id not in found
            found[item.item_id] = item
    return found


@pytest.fixture
def root(tmp_path):
    return tmp_path / "out"


def commit(root, *rows, tasks=("caption", "tags", "video_summary")):
    sink = ResultSink(
        OutputSpec(uri=str(root)),
        STORAGE,
        [bound(task) for task in tasks],
        RowOrigin("earlier", "tiny", None),
    )
    sink.open()
    sink.add(table(*rows))
    sink.flush()


def test_a_first_run_owes_every_item_the_tasks_for_its_kind(root):
    items = [listed("a"), listed("b"), listed("v", kind=MediaKind.VIDEO)]
    plan = plan_of(root, items, (CAPTION, TAGS, SUMMARY))
    owed = {i: [t.name for t in item.tasks] for i, item in items_of(plan).items()}
    assert owed == {"a": ["caption", "tags"], "b": ["caption", "tags"], "v": ["video_summary"]}
    assert plan.counts.planned == plan.counts.listed == 3


def test_current_rows_are_left_out_and_changed_ones_replaced(root):
    commit(root, annotated("same"), annotated("changed"), annotated("other-prompt"))
    plan = plan_of(
        root,
        [listed("same"), listed("changed", "v2"), listed("new"), listed("other-prompt")],
        (CAPTION,),
    )
    assert set(items_of(plan)) == {"changed", "new"}
    [task] = items_of(plan)["changed"].tasks
    assert task.replaces
    assert not items_of(plan)["new"].tasks[0].replaces
    assert plan.counts.current == 2

    newer = plan_of(root, [listed("same")], (OwedTask(bound("caption"), {"image": "f2"}),))
    assert items_of(newer)["same"].tasks[0].fingerprint == "f2"
    assert items_of(newer)["same"].tasks[0].replaces


def test_only_the_missing_task_of_an_item_is_owed(root):
    commit(root, annotated("a"))
    plan = plan_of(root, [listed("a")], (CAPTION, TAGS))
    assert [task.name for task in items_of(plan)["a"].tasks] == ["tags"]


def test_failures_are_retried_as_often_as_allowed_and_hopeless_ones_never(root):
    commit(
        root,
        failed("flaky", FailureCode.STORAGE_UNAVAILABLE, attempt=2),
        failed("tired", FailureCode.STORAGE_UNAVAILABLE, attempt=3),
        failed("broken", FailureCode.NOT_MEDIA),
        failed("mended", FailureCode.NOT_MEDIA),
    )
    plan = plan_of(
        root, [listed("flaky"), listed("tired"), listed("broken"), listed("mended", "v2")]
    )
    owed = items_of(plan)
    assert set(owed) == {"flaky", "mended"}
    assert owed["flaky"].tasks[0].attempt == 3
    assert owed["flaky"].tasks[0].failed_before
    assert owed["mended"].tasks[0].attempt == 1
    assert plan.counts.gave_up == 2


@pytest.mark.parametrize(
    ("codes", "tried"),
    [
        ((), {"tired", "broken", "flaky"}),
        ((FailureCode.NOT_MEDIA,), {"broken", "flaky"}),
        ((FailureCode.BLIND, FailureCode.STORAGE_UNAVAILABLE), {"tired", "flaky"}),
    ],
)
def test_failures_that_were_given_up_are_tried_when_asked_for(root, codes, tried):
    commit(
        root,
        failed("flaky", FailureCode.DECODE_TIMEOUT),
        failed("tired", FailureCode.STORAGE_UNAVAILABLE, attempt=3),
        failed("broken", FailureCode.NOT_MEDIA),
    )
    items = [listed(name) for name in ("flaky", "tired", "broken")]
    plan = plan_of(root, items, retry=Retry(frozenset(codes)))
    assert set(items_of(plan)) == tried
    assert all(item.tasks[0].failed_before for item in items_of(plan).values())
    assert plan.counts.gave_up == 3 - len(tried)


def test_whose_answer_another_was_to_give_has_not_been_tried_yet(root):
    commit(root, failed("like-it", FailureCode.TWIN_FAILED, attempt=3))
    assert set(items_of(plan_of(root, [listed("like-it")]))) == {"like-it"}


def test_counts_add_up(root):
    commit(root, annotated("current"), failed("broken", FailureCode.CORRUPT))
    items = [
        listed("current"),
        listed("broken"),
        listed("new"),
        listed("film", kind=MediaKind.VIDEO),
    ]
    counts = plan_of(root, items).counts
    assert (counts.current, counts.gave_up, counts.planned, counts.without_task) == (1, 1, 1, 1)
    assert counts.listed == 4


def test_a_failure_row_beside_a_current_result_is_reported_for_removal(root):
    commit(root, annotated("a"), failed("a", FailureCode.CORRUPT))
    plan = plan_of(root, [listed("a")])
    assert plan.parts == []
    assert plan.resolved.to_pylist() == [{"item_id": "a", "task": "caption"}]


@pytest.mark.parametrize("of_then", [{"item_version": "v0"}, {"fingerprint": "f0"}])
def test_a_failure_of_an_earlier_version_goes_once_there_is_a_current_result(root, of_then):
    commit(root, annotated("a"), failed("a", FailureCode.CORRUPT, **of_then))
    commit(root, annotated("stale"), failed("stale", FailureCode.CORRUPT, item_version="v2"))
    plan = plan_of(root, [listed("a"), listed("stale", "v2")], (TAGS, CAPTION))
    assert plan.resolved.to_pylist() == [{"item_id": "a", "task": "caption"}]


def test_odd_names_travel_unharmed(root):
    names = ['/d/it\'s "x".jpg', "s3://b/ü %23#+.jpg", "/d/new\nline.png", "/d/😀.jpg"]
    plan = plan_of(root, [listed(name) for name in names])
    assert set(items_of(plan)) == set(names)
    assert items_of(plan)[names[0]].media[0].uri == names[0]


def test_nothing_listed_is_an_empty_plan(root):
    plan = plan_of(root, [])
    assert plan.parts == []
    assert plan.counts.listed == 0


def test_parts_are_removed_without_a_trace(root):
    plan = plan_of(root, [listed("a")])
    assert plan.parts
    remove_plan(plan, STORAGE)
    assert not list(root.rglob("*.parquet"))


def test_files_of_one_size_and_tag_with_the_same_tasks_may_be_twins(root):
    def on_s3(name, size, version, **more):
        medium = Medium(f"s3://b/{name}", size, version)
        return replace(listed(name), media=(medium,), item_version=version, **more)

    items = [
        on_s3("a", 10, "x"),
        on_s3("b", 10, "x"),
        on_s3("other tag", 10, "y"),
        on_s3("other size", 11, "x"),
        on_s3("other context", 10, "x", context={"title": "Mug"}),
        on_s3("size not known", None, "x"),
        on_s3("nor here", None, "x"),
    ]
    items += [
        replace(listed(name), media=(Medium("s3://b/0.tar", 999, "z", place),))
        for name, place in (("in shard", "tar:512:10"), ("too", "tar:9216:10"))
    ]
    items.append(
        replace(
            items[-1],
            item_id="shorter",
            media=(Medium("s3://b/0.tar", 999, "z", "tar:512:11"),),
        )
    )
    found = items_of(plan_of(root, items, duplicates=DuplicateSpec()))
    assert found["in shard"].twin == found["too"].twin is not None
    assert found["shorter"].twin is None
    for name in ("in shard", "too", "shorter"):
        del found[name]
    assert found["a"].twin is not None
    assert {name: item.twin == found["a"].twin for name, item in found.items()} == {
        name: name in ("a", "b") for name in found
    }
    assert {item.twin for name, item in found.items() if name not in ("a", "b")} == {None}


def test_local_files_of_one_size_may_be_twins_whatever_their_times(root):
    items = [
        replace(listed(name), media=(Medium(f"/in/{name}", 10, name),), item_version=name)
        for name in ("a", "b")
    ]
    found = items_of(plan_of(root, items, duplicates=DuplicateSpec()))
    assert found["a"].twin == found["b"].twin is not None
    assert {item.twin for item in items_of(plan_of(root, items)).values()} == {None}


def test_an_item_that_is_owed_less_than_another_is_no_twin_of_it(root):
    items = [
        replace(listed(name), media=(Medium(f"/in/{name}", 10, "v1"),)) for name in ("a", "b")
    ]
    commit(root, annotated("a", fingerprint="f1"))
    found = items_of(plan_of(root, items, tasks=(CAPTION, TAGS), duplicates=DuplicateSpec()))
    assert [len(found[name].tasks) for name in ("a", "b")] == [1, 2]
    assert {item.twin for item in found.values()} == {None}


def test_pictures_may_look_alike_if_nothing_else_is_shown_or_asked(root):
    near = DuplicateSpec(near=4)
    items = [
        replace(listed(name), media=(Medium(f"/in/{name}", size, "v1"),))
        for name, size in (("a", 10), ("b", 20), ("told of", 30), ("asked less", 40))
    ]
    items[2] = replace(items[2], context={"title": "Mug"})
    items += [listed(name, kind=MediaKind.IMAGES) for name in ("album", "album too")]
    commit(root, annotated("asked less", fingerprint="f1"))
    found = items_of(plan_of(root, items, tasks=(CAPTION, TAGS), duplicates=near))
    assert found["a"].alike == found["b"].alike is not None
    assert {item.alike for name, item in found.items() if name not in ("a", "b")} == {None}
    found = items_of(plan_of(root, items, duplicates=DuplicateSpec()))
    assert {item.alike for item in found.values()} == {None}


def test_a_picture_that_failed_is_asked_about_by_itself_the_next_time(root):
    items = [listed(name) for name in "abc"]
    commit(root, failed("c", FailureCode.TWIN_FAILED))
    found = items_of(plan_of(root, items, duplicates=DuplicateSpec(near=4)))
    assert [found[name].alike is None for name in "abc"] == [False, False, True]


def test_suspects_come_apart_and_who_killed_alone_comes_last(root):
    commit(root, annotated("done"))
    deaths = {
        name_of("a", "v1"): Deaths(1, {"annotate": 1}),
        name_of("b", "v1"): Deaths(2),
        name_of("c", "v1"): Deaths(1),
        name_of("d", "of yesterday"): Deaths(9),
        name_of("done", "v1"): Deaths(9),
        name_of("gone", "v1"): Deaths(9),
    }
    items = [listed(name) for name in ("a", "b", "c", "d", "done", "e")]
    plan = plan_of(root, items, deaths=deaths)
    assert set(items_of(plan)) == {"c", "d", "e"}
    assert list(items_of(replace(plan, parts=plan.suspects))) == ["b", "a"]
    assert plan.counts.planned == 5
    assert plan.deaths == {name_of(x, "v1"): deaths[name_of(x, "v1")] for x in "abc"}
    remove_plan(plan, STORAGE)
    assert not list((root / "_tagline").rglob("*.parquet"))
