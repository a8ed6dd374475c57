"""The annotate operator with the shipped fake engine, outside Ray."""

from __future__ import annotations

import json
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor

import pytest

from operators.annotate import AnnotateOperator
from operators.base import EngineSpec
from operators.fake_engine import FakeEngine, pixel_digest
from operators.models.base import Geometry
from operators.repairs import every_second
from operators.tasks.registry import bind_tasks
from schemas.failure import EngineError, FailureCode, ItemFailure, Stage
from schemas.item import (
    DecodedItem,
    Item,
    Medium,
    PendingTask,
)
from schemas.item_tables import decoded_to_table
from schemas.job import TaskSpec
from schemas.media import MediaKind
from tests.fixtures.engines import picture, video

GEOMETRY = Geometry(112, 14, 9, 16, 4096)
TASKS = [
    TaskSpec(task="caption", name="caption"),
    TaskSpec(task="tags", name="tags", options={"vocabulary": ["a", "b"]}),
    TaskSpec(task="video_summary", name="video_summary"),
]


@pytest.fixture
def operator(request):
    options = {"geometry": GEOMETRY, **getattr(request, "param", {})}
    engine = EngineSpec("fake", options)
    made = AnnotateOperator(engine, "minicpm-v-2.6", GEOMETRY, bind_tasks(TASKS))
    made.setup()
    yield made
    made.close()


def item(name: str, kind: MediaKind = MediaKind.IMAGE) -> Item:
    names = ["video_summary"] if kind is MediaKind.VIDEO else ["caption", "tags"]
    tasks = tuple(PendingTask(task, "f") for task in names)
    return Item(name, kind, "v1", (Medium(name, 1, "v1"),), tasks)


def decoded(name: str, shade: int = 0) -> DecodedItem:
    return DecodedItem(item(name), picture(200, 100, shade), None)


def test_each_task_of_each_item_becomes_a_row_in_order(operator):
    film = DecodedItem(item("film", MediaKind.VIDEO), video(4, 60, 40), None)
    rows = operator(decoded_to_table([decoded("a"), film, decoded("b", 9)])).to_pylist()
    assert [(row["item_id"], row["task"]) for row in rows] == [
        ("a", "caption"),
        ("a", "tags"),
        ("film", "video_summary"),
        ("b", "caption"),
        ("b", "tags"),
    ]
    assert all(row["failure"] is None for row in rows)
    assert json.loads(rows[0]["answer"])["caption"].startswith(pixel_digest(picture(200, 100)))
    assert rows[2]["frame_pts"] == [0.0, 0.5, 1.0, 1.5]
    assert rows[0]["frame_pts"] is None
    assert rows[0]["engine_tries"] == 1


def test_an_item_that_failed_before_passes_through_with_its_reason(operator):
    reason = ItemFailure(Stage.DECODE, FailureCode.TRUNCATED, "half a file")
    rows = operator(decoded_to_table([DecodedItem(item("a"), None, reason)])).to_pylist()
    assert [row["failure"]["code"] for row in rows] == ["truncated", "truncated"]
    assert rows[0]["engine_tries"] == 0


@pytest.mark.parametrize(
    ("operator", "code", "tries"),
    [
        ({"behaviours": {"bad": "refuse"}}, "engine_refused", 1),
        ({"behaviours": {"bad": "blind"}}, "blind", 1),
        ({"behaviours": {"bad": "cut"}}, "answer_cut", 3),
        ({"behaviours": {"bad": "garbage"}, "garbage_tries": 1}, None, 2),
        ({"behaviours": {"bad": "garbage"}, "garbage_tries": 2}, "unparsable", 2),
    ],
    indirect=["operator"],
)
def test_what_helps_is_tried_once_more_and_what_cannot_is_not(operator, code, tries):
    rows = operator(decoded_to_table([decoded("good"), decoded("bad", 5)])).to_pylist()
    good, bad = rows[:2], rows[2:]
    assert all(row["failure"] is None for row in good)
    assert {row["failure"] and row["failure"]["code"] for row in bad} == {code}
    assert {row["engine_tries"] for row in bad} == {tries}


@pytest.mark.parametrize("operator", [{"behaviours": {"bad": "die"}}], indirect=True)
def test_a_dead_engine_is_the_batch_s_error_and_no_row_is_made_up(operator):
    with pytest.raises(EngineError):
        operator(decoded_to_table([decoded("good"), decoded("bad", 5)]))


def test_rows_of_a_batch_that_is_not_tried(operator):
    reason = ItemFailure(Stage.ANNOTATE, FailureCode.POISON, "twice")
    own = ItemFailure(Stage.FETCH, FailureCode.MISSING_OBJECT, "gone")
    batch = decoded_to_table([decoded("a"), DecodedItem(item("b"), None, own)])
    codes = [row["failure"]["code"] for row in operator.failed(batch, reason).to_pylist()]
    assert codes == ["poison", "poison", "missing_object", "missing_object"]


@pytest.mark.parametrize("operator", [{"latency_s": 0.02}], indirect=True)
def test_many_threads_do_not_mix_items_up(operator):
    def annotate(n: int):
        [caption, _] = operator(decoded_to_table([decoded(f"i{n}", n)])).to_pylist()
        return caption["item_id"], json.loads(caption["answer"])["caption"]

    with ThreadPoolExecutor(16) as pool:
        for name, caption in pool.map(annotate, range(64)):
            assert caption.startswith(pixel_digest(picture(200, 100, int(name[1:]))))


@pytest.mark.parametrize("operator", [{"most_image_tokens": 50}], indirect=True)
def test_a_video_too_long_for_the_engine_is_shown_with_fewer_frames(operator):
    film = DecodedItem(item("film", MediaKind.VIDEO), video(8, 60, 40), None)
    [row] = operator(decoded_to_table([film])).to_pylist()
    assert row["failure"] is None
    assert row["repairs"] == ["fewer_frames", "fewer_frames"]
    assert row["frame_pts"] == [0.0, 2.0]
    shown = every_second(every_second(video(8, 60, 40)))
    assert json.loads(row["answer"])["summary"].startswith(pixel_digest(shown))


@pytest.mark.parametrize("operator", [{"most_image_tokens": 3}], indirect=True)
def test_what_stays_too_long_fails_as_such(operator):
    film = DecodedItem(item("film", MediaKind.VIDEO), video(8, 60, 40), None)
    rows = operator(decoded_to_table([film, decoded("a")])).to_pylist()
    assert {row["failure"]["code"] for row in rows} == {"prompt_too_long"}
    assert rows[0]["repairs"] == ["fewer_frames"] * 3


@pytest.mark.parametrize(
    "operator", [{"behaviours": {"bad": "garbage"}, "garbage_tries": 1}], indirect=True
)
def test_rows_tell_what_was_changed_until_the_model_answered(operator):
    rows = operator(decoded_to_table([decoded("good"), decoded("bad", 5)])).to_pylist()
    assert [row["repairs"] for row in rows] == [None, None, ["other_seed"], ["other_seed"]]


class Recording(FakeEngine):
    """Notes which pixels came under which key, as an engine that prepares media once would."""

    def __init__(self) -> None:
        super().__init__(geometry=GEOMETRY, most_image_tokens=50)
        self.pixels: dict[str, set[str]] = defaultdict(set)

    def submit(self, request):
        self.pixels[request.media_key].add(pixel_digest(request.frames))
        return super().submit(request)


def test_what_is_shown_with_less_goes_by_another_key():
    engine = Recording()
    engine.start()
    made = AnnotateOperator(EngineSpec("fake"), "minicpm-v-2.6", GEOMETRY, bind_tasks(TASKS))
    made.use(engine)
    film = DecodedItem(item("film", MediaKind.VIDEO), video(8, 60, 40), None)
    [row] = made(decoded_to_table([film])).to_pylist()
    made.close()
    assert row["failure"] is None
    assert len(engine.pixels) == 3
    assert all(len(digests) == 1 for digests in engine.pixels.values())
