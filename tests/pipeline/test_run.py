"""Whole runs through real Ray with the shipped fake engine."""

from __future__ import annotations

import os
import signal
import threading
from pathlib import Path

import pytest
from deltalake import DeltaTable

from operators.base import EngineSpec
from operators.decode import DecodeOperator
from operators.fake_engine import pixel_digest
from operators.models.checkpoint import read_geometry
from pipeline.lease import held_lease
from pipeline.report import RunReport, Snapshot, StopSignal
from pipeline.run import run_job
from schemas.failure import EngineError, OutputInUseError, UsageError
from schemas.item import Item, Medium
from schemas.item_tables import items_to_plan, table_to_decoded
from schemas.job import JobSpec, MediaSpec, StorageSpec
from schemas.media import MediaKind
from schemas.uris import join_uri
from tests.pipeline.conftest import draw

RESOURCES = {"decode_workers": 1, "requests_in_flight": 8}


class Recorder:
    def __init__(self) -> None:
        self.snapshots: list[Snapshot] = []
        self.notes: list[str] = []

    def note(self, message: str) -> None:
        self.notes.append(message)

    def update(self, snapshot: Snapshot) -> None:
        self.snapshots.append(snapshot)


class Bench:
    """A folder of pictures, an output and a model, and runs over them."""

    def __init__(self, root: Path, checkpoint: Path) -> None:
        self.input, self.output = root / "in", root / "out"
        self.checkpoint = checkpoint
        self.observer = Recorder()
        self.stop = StopSignal()

    def job(self, **changes) -> JobSpec:
        base = {
            "input": str(self.input),
            "model": str(self.checkpoint),
            "tasks": ["caption", {"task": "tags", "vocabulary": ["a", "b", "c"]}],
            "output": str(self.output),
            "failures": {"budget": 1.0},
            "resources": {"decode_workers": 1},
        }
        return JobSpec.model_validate(base | changes)

    def run(self, job: JobSpec | None = None, **options) -> RunReport:
        engine = EngineSpec("fake", {"geometry": read_geometry(self.checkpoint), **options})
        return run_job(job or self.job(), self.observer, self.stop, engine=engine)

    def rows(self, table: str) -> list[dict]:
        return DeltaTable(join_uri(str(self.output), table)).to_pyarrow_table().to_pylist()


@pytest.fixture
def bench(tmp_path, checkpoint, local_ray) -> Bench:
    return Bench(tmp_path, checkpoint)


def digest_of(path: Path, checkpoint: Path) -> str:
    """What the fake engine must have seen of a file, decoded by the real operator."""
    pixels = read_geometry(checkpoint).max_image_pixels
    operator = DecodeOperator(StorageSpec(), MediaSpec(), pixels, pixels)
    operator.setup()
    item = Item(str(path), MediaKind.IMAGE, "v", (Medium(str(path), None, None),), ())
    [decoded] = table_to_decoded(operator(items_to_plan([item])))
    operator.close()
    assert decoded.frames is not None
    return pixel_digest(decoded.frames)


def test_every_item_gets_every_task_from_its_own_pixels(bench):
    paths = [draw(bench.input / f"{n}.png", n) for n in range(30)]
    report = bench.run()
    assert (report.outcome, report.items_done, report.items_failed) == ("done", 30, 0)
    assert report.rows_by_table == {"captions": 30, "tags": 30}
    captions = {row["item_id"]: row for row in bench.rows("captions")}
    assert set(captions) == {str(path) for path in paths}
    for path in paths[::7]:
        assert captions[str(path)]["caption"].startswith(digest_of(path, bench.checkpoint))
    row = captions[str(paths[0])]
    assert (row["source_width"], row["source_height"]) == (64, 48)
    assert row["image_tokens"] > 0
    assert row["prompt_tokens"] > row["image_tokens"]
    [run] = bench.rows("runs")
    assert (run["run_id"], run["items_done"], run["outcome"]) == (report.run_id, 30, "done")
    assert bench.observer.snapshots[-1].items_done == 30
    own = bench.output / "_tagline"
    kept = {path.relative_to(own).parts[0] for path in own.rglob("*") if path.is_file()}
    assert kept == {"leases", "fingerprints", "format.json"}


def test_a_second_run_does_what_is_new_or_changed_and_no_more(bench):
    for n in range(4):
        draw(bench.input / f"{n}.png", n)
    bench.run()
    assert bench.run().outcome == "nothing_to_do"
    draw(bench.input / "1.png", 101, (65, 48))
    draw(bench.input / "new.png", 9)
    report = bench.run()
    assert (report.items_planned, report.items_current) == (2, 3)
    rows = {row["item_id"]: row for row in bench.rows("captions")}
    assert len(rows) == len(bench.rows("captions")) == 5
    assert {row["run_id"] for row in rows.values()} > {report.run_id}
    changed = rows[str(bench.input / "1.png")]
    assert changed["run_id"] == report.run_id
    assert changed["source_width"] == 65


def test_another_prompt_runs_that_task_alone(bench):
    draw(bench.input / "a.png", 1)
    bench.run()
    tags = {"task": "tags", "vocabulary": ["a", "b", "c"]}
    job = bench.job(tasks=[{"task": "caption", "prompt": "Say it in verse."}, tags])
    assert bench.run(job).rows_by_table == {"captions": 1}


def test_broken_items_become_failure_rows_and_the_rest_goes_on(bench):
    for n in range(6):
        draw(bench.input / f"{n}.png", n)
    (bench.input / "text.jpg").write_text("no picture")
    (bench.input / "empty.png").write_bytes(b"")
    whole = draw(bench.input / "cut.png", 7).read_bytes()
    (bench.input / "cut.png").write_bytes(whole[: len(whole) // 2])
    report = bench.run(
        behaviours={"/0.png": "refuse", "/1.png": "blind", "/2.png": "cut", "/3.png": "garbage"}
    )
    assert report.outcome == "done"
    codes = {(row["item_id"].rsplit("/", 1)[1], row["code"]) for row in bench.rows("failures")}
    assert codes == {
        ("text.jpg", "not_media"),
        ("empty.png", "empty_file"),
        ("cut.png", "truncated"),
        ("0.png", "engine_refused"),
        ("1.png", "blind"),
        ("2.png", "answer_cut"),
    }
    cut = next(row for row in bench.rows("failures") if row["code"] == "answer_cut")
    assert cut["raw_text"]
    done = {row["item_id"].rsplit("/", 1)[1] for row in bench.rows("captions")}
    # 3.png answered garbage once and was asked again.
    assert done == {"3.png", "4.png", "5.png"}


def test_text_that_never_parses_is_kept_as_a_failure(bench):
    draw(bench.input / "a.png", 1)
    bench.run(behaviours={"a.png": "garbage"}, garbage_tries=9)
    assert {row["code"] for row in bench.rows("failures")} == {"unparsable"}
    assert all("I think" in row["raw_text"] for row in bench.rows("failures"))


def test_hopeless_failures_are_not_tried_again_and_mended_files_are(bench):
    draw(bench.input / "good.png", 1)
    bad = bench.input / "bad.png"
    bad.write_text("no picture")
    bench.run()
    assert bench.run().outcome == "nothing_to_do"
    draw(bad, 2)
    assert bench.run().items_done == 1
    assert bench.rows("failures") == []


def test_an_item_that_kills_the_engine_costs_itself_alone(bench):
    for n in range(12):
        draw(bench.input / f"{n}.png", n)
    report = bench.run(behaviours={"/5.png": "die"})
    assert (report.outcome, report.items_done, report.items_failed) == ("done", 11, 1)
    failures = bench.rows("failures")
    assert {(Path(row["item_id"]).name, row["code"]) for row in failures} == {
        ("5.png", "poison")
    }
    assert len(bench.rows("captions")) == 11


def test_past_the_error_budget_the_run_stops_and_keeps_what_it_has(bench):
    for n in range(40):
        (bench.input / f"{n}.jpg").parent.mkdir(exist_ok=True)
        (bench.input / f"{n}.jpg").write_text("no picture")
    report = bench.run(bench.job(failures={"budget": 3}))
    assert report.outcome == "over_budget"
    assert report.items_failed > 3
    assert len({row["item_id"] for row in bench.rows("failures")}) == report.items_failed


def test_a_stop_commits_what_is_done_and_the_next_run_goes_on(bench):
    for n in range(60):
        draw(bench.input / f"{n:02}.png", n)

    def stop_midway(snapshot: Snapshot) -> None:
        if snapshot.items_done:
            bench.stop.request(signal.SIGTERM)

    bench.observer.update = stop_midway
    report = bench.run(bench.job(resources=RESOURCES), latency_s=1.0, concurrency=8)
    assert report.outcome == "interrupted"
    done = len(bench.rows("captions"))
    assert 0 < done < 60
    bench.stop = StopSignal()
    bench.observer = Recorder()
    report = bench.run()
    assert report.items_planned == 60 - done
    assert len({row["item_id"] for row in bench.rows("captions")}) == 60


@pytest.mark.parametrize(("grace_s", "finishes"), [(30.0, True), (0.0, False)])
def test_what_the_engine_is_at_when_a_stop_comes_is_finished_if_there_is_time(
    bench, grace_s, finishes
):
    for n in range(60):
        draw(bench.input / f"{n:02}.png", n)

    def stop_when_asked(snapshot: Snapshot) -> None:
        if any(
            "1 items" not in one.busy and "in flight" in one.busy for one in snapshot.stages
        ):
            bench.stop.request(signal.SIGTERM)

    bench.observer.update = stop_when_asked
    job = bench.job(resources=RESOURCES | {"stop_grace_s": grace_s})
    report = bench.run(job, latency_s=4.0)
    assert report.outcome == "interrupted"
    assert report.items_done < 60
    assert (report.items_done > 0) is finishes
    assert len(bench.rows("captions")) == report.items_done


def test_a_stop_while_nothing_comes_leaves_no_thread_that_would_call_ray(bench):
    """Ray ends a process whose threads call it after it was left."""
    draw(bench.input / "a.png", 0)

    def stop_when_asked(snapshot: Snapshot) -> None:
        if snapshot.phase == "annotating":
            bench.stop.request(signal.SIGTERM)

    bench.observer.update = stop_when_asked
    report = bench.run(bench.job(resources=RESOURCES | {"stop_grace_s": 1}), latency_s=100.0)
    assert report.outcome == "interrupted"
    names = [thread.name for thread in threading.enumerate()]
    assert [n for n in names if n == "graph" or n.startswith("StreamingExecutor")] == []
    bench.stop, bench.observer = StopSignal(), Recorder()
    assert bench.run().outcome == "done"


def test_a_run_to_an_output_in_use_is_refused_before_anything_is_done(bench):
    draw(bench.input / "a.png", 0)
    with (
        held_lease(str(bench.output), StorageSpec(), "run-1"),
        pytest.raises(OutputInUseError, match="run-1"),
    ):
        bench.run()
    assert [entry.name for entry in bench.output.iterdir()] == ["_tagline"]
    assert bench.run().outcome == "done"


def test_no_images_is_nothing_to_do(bench):
    bench.input.mkdir()
    (bench.input / "readme.txt").write_text("x")
    report = bench.run()
    assert (report.outcome, report.items_listed, report.items_skipped_names) == (
        "nothing_to_do",
        0,
        1,
    )


def test_a_missing_input_a_missing_model_and_a_missing_ability_are_usage_errors(bench):
    with pytest.raises(UsageError, match="in"):
        bench.run()
    bench.input.mkdir()
    with pytest.raises(UsageError, match="model"):
        bench.run(bench.job(model="/nowhere/model"))
    with pytest.raises(UsageError, match=r"minicpm-v-2\.0"):
        bench.run(
            bench.job(
                model={"path": str(bench.checkpoint), "family": "minicpm-v-2.0"},
                tasks=["video_summary"],
            )
        )


def test_more_than_this_machine_has_is_a_usage_error(bench):
    draw(bench.input / "a.png", 1)
    with pytest.raises(UsageError, match=r"the job needs .* 3 GPUs"):
        bench.run(bench.job(resources={"gpus_per_replica": 3}))


def test_an_engine_that_cannot_start_is_an_engine_error(bench):
    draw(bench.input / "a.png", 1)
    spec = EngineSpec("fake", {"no_such_option": 1})
    with pytest.raises(EngineError, match="no_such_option"):
        run_job(bench.job(), bench.observer, bench.stop, engine=spec)


def test_two_inputs_with_the_same_base_name_are_two_items(bench):
    draw(bench.input / "one" / "a.png", 1)
    draw(bench.input / "two" / "a.png", 2)
    assert bench.run().items_done == 2
    captions = [row["caption"] for row in bench.rows("captions")]
    assert len(set(captions)) == 2


def test_an_object_deleted_between_plan_and_decode_is_a_failure_row(bench):
    paths = [draw(bench.input / f"{n}.png", n) for n in range(3)]

    def delete_when_planned(snapshot: Snapshot) -> None:
        if snapshot.phase == "starting" and paths[1].exists():
            os.remove(paths[1])

    bench.observer.update = delete_when_planned
    report = bench.run()
    assert (report.items_done, report.items_failed) == (2, 1)
    assert {row["code"] for row in bench.rows("failures")} == {"missing_object"}


def test_rows_of_files_that_are_gone_stay_are_marked_or_deleted(bench):
    paths = [draw(bench.input / f"{n}.png", n) for n in range(4)]
    bench.run()
    paths[0].unlink()
    assert bench.run().rows_gone == 0
    assert len(bench.rows("captions")) == 4

    marking = bench.job(output={"uri": str(bench.output), "gone": "mark"})
    assert bench.run(marking).rows_gone == 2
    marked = [row["item_id"] for row in bench.rows("captions") if row["gone_at"]]
    assert marked == [str(paths[0])]
    assert bench.run(marking).rows_gone == 0
    draw(paths[0], 0)
    os.utime(paths[0], (1, 1))
    bench.run(marking)
    assert [row for row in bench.rows("captions") if row["gone_at"]] == []

    paths[1].unlink()
    deleting = bench.job(output={"uri": str(bench.output), "gone": "delete"})
    assert bench.run(deleting).rows_gone == 2
    assert {row["item_id"] for row in bench.rows("captions")} == {
        str(path) for path in paths if path.exists()
    }


def test_an_input_that_lists_nothing_deletes_nothing(bench):
    path = draw(bench.input / "a.png", 1)
    bench.run()
    path.unlink()
    with pytest.raises(UsageError, match="all 2 rows"):
        bench.run(bench.job(output={"uri": str(bench.output), "gone": "delete"}))
    assert len(bench.rows("captions")) == 1
