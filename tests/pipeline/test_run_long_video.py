"""Long videos through whole runs: cut, described window by window, put together again."""

from __future__ import annotations

import os
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
import ray
from ray import cloudpickle

import pipeline.annotation
import pipeline.graph
from operators.annotate import AnnotateOperator
from operators.decode import DecodeOperator
from operators.fake_engine import pixel_digest
from operators.models.checkpoint import read_geometry
from operators.video.decode import decode_long_video
from pipeline.board import start_board
from schemas.failure import ClusterError
from schemas.job import VideoSampling
from schemas.media import Frames
from tests.media import clips
from tests.media.clips import CLIPS
from tests.pipeline.conftest import draw
from tests.pipeline.test_run import Bench

SMALL_BLOCK_BYTES = 150_000
"""Less than two windows here have."""

SAMPLING = {"policy": "fps", "fps": 5, "max_frames": 4}


@pytest.fixture(scope="module")
def long_clip() -> bytes:
    """Ten seconds of numbered frames: fifty of them sampled, thirteen windows or more."""
    return clips.make(replace(CLIPS["h264"], frames=250))


@pytest.fixture
def bench(tmp_path, checkpoint, local_ray, long_clip) -> Bench:
    bench = Bench(tmp_path, checkpoint)
    bench.input.mkdir()
    (bench.input / "long.mp4").write_bytes(long_clip)
    return bench


def job(bench: Bench, *tasks, **changes):
    asked = list(tasks) or ["video_summary"]
    return bench.job(tasks=asked, media={"video": SAMPLING}, **changes)


def windows_of(bench: Bench) -> list[Frames]:
    pieces = decode_long_video(
        (bench.input / "long.mp4").read_bytes(),
        sampling=VideoSampling(**SAMPLING),
        max_frame_pixels=read_geometry(bench.checkpoint).max_frame_pixels,
        overview=True,
    )
    return [frames for frames, _ in pieces]


def assert_summary_is_whole(bench: Bench) -> None:
    """One row for the long video, made of all of its windows, each seen as it is."""
    *windows, _ = windows_of(bench)
    seen = [pts for frames in windows for pts in frames.pts_s]
    [found] = bench.rows("video_windows")
    assert [window["frame_pts"] for window in found["windows"]] == [
        list(frames.pts_s) for frames in windows
    ]
    for window, frames in zip(found["windows"], windows, strict=True):
        assert window["text"].startswith(pixel_digest(frames))
        for moment in window["moments"]:
            assert set(moment["frame_pts"]) <= set(window["frame_pts"])
    assert found["image_tokens"] > 0
    assert found["frame_pts"] == seen
    rows = {Path(row["item_id"]).name: row for row in bench.rows("video_summaries")}
    summary = rows["long.mp4"]
    assert summary["frame_pts"] == seen
    assert summary["image_tokens"] == 0  # Its questions were about text.
    assert summary["duration_s"] == pytest.approx(10.0)
    assert len(summary["chapters"]) > 0
    for chapter in summary["chapters"]:
        assert chapter["frame_pts"] == sorted(set(chapter["frame_pts"]) & set(seen))
        assert chapter["start_s"] == chapter["frame_pts"][0]
        assert chapter["end_s"] == chapter["frame_pts"][-1]
    moments = [m["frame_pts"] for w in found["windows"] for m in w["moments"]]
    assert all(moment["frame_pts"] in moments for moment in summary["key_moments"])


def test_windows_summaries_and_other_tasks_of_long_and_short_videos(bench, long_clip):
    (bench.input / "short.mp4").write_bytes(clips.make(replace(CLIPS["h264"], frames=15)))
    draw(bench.input / "picture.png", 1)
    resources = {"decode_workers": 1, "engine_replicas": 2, "cpus_per_replica": 0.25}
    asked = job(bench, "video_summary", "video_tags", "caption", resources=resources)
    report = bench.run(asked)
    assert (report.outcome, report.items_done, report.items_failed) == ("done", 3, 0)
    assert report.rows_by_table == {
        "video_windows": 1,
        "video_summaries": 2,
        "video_tags": 2,
        "captions": 1,
    }
    assert_summary_is_whole(bench)
    tags = {Path(row["item_id"]).name: row for row in bench.rows("video_tags")}
    *_, overview = windows_of(bench)
    assert tags["long.mp4"]["frame_pts"] == list(overview.pts_s)
    assert len(overview.pts_s) == 4
    assert bench.observer.snapshots[-1].items_done == 3
    assert bench.run(asked).outcome == "nothing_to_do"


def test_another_prompt_is_answered_from_the_windows_that_are_there(bench, long_clip):
    assert bench.run(job(bench)).rows_by_table == {"video_windows": 1, "video_summaries": 1}
    [before] = bench.rows("video_summaries")
    path = bench.input / "long.mp4"
    listed = path.stat()
    path.write_bytes(bytes(len(long_clip)))  # Who reads it now finds no video.
    os.utime(path, ns=(listed.st_atime_ns, listed.st_mtime_ns))
    reworded = {"task": "video_summary", "prompt": "Tell it in verse."}
    assert bench.run(job(bench, reworded)).rows_by_table == {"video_summaries": 1}
    [after] = bench.rows("video_summaries")
    assert after["fingerprint"] != before["fingerprint"]
    assert after["frame_pts"] == before["frame_pts"]
    assert (after["source_width"], after["duration_s"]) == (clips.WIDTH, 10.0)
    assert bench.run(job(bench, reworded)).outcome == "nothing_to_do"
    path.write_bytes(long_clip)
    assert_summary_is_whole(bench)
    report = bench.run(job(bench, reworded))  # Its time has changed, and so its version.
    assert report.rows_by_table == {"video_windows": 1, "video_summaries": 1}
    assert_summary_is_whole(bench)


def test_a_window_that_kills_the_engine_fails_its_video_and_no_other(bench):
    draw(bench.input / "picture.png", 1)
    report = bench.run(
        job(bench, "video_summary", "video_tags", "caption"),
        behaviours={"#part-5": "die"},
    )
    assert (report.outcome, report.items_done, report.items_failed) == ("done", 1, 1)
    assert report.rows_by_table == {"captions": 1, "video_tags": 1}
    [failure] = bench.rows("failures")
    assert (failure["task"], failure["code"]) == ("video_summary", "poison")
    assert "window 6" in failure["message"]


class DecoderThatDies(DecodeOperator):
    """Ends its process after five windows: always, or the first time only."""

    flag: Path | None = None

    def decoded(self, items):
        for one in super().decoded(items):
            if one.part is not None and one.part.number == 5:
                if self.flag is None:
                    os._exit(1)
                if not self.flag.exists():
                    self.flag.touch()
                    os._exit(1)
            yield one


@pytest.fixture
def dying(monkeypatch, tmp_path):
    cloudpickle.register_pickle_by_value(sys.modules[__name__])
    monkeypatch.setattr(pipeline.annotation, "DecodeOperator", DecoderThatDies)
    # Some windows have left when the worker dies.
    monkeypatch.setattr(pipeline.graph, "BLOCK_BYTES", SMALL_BLOCK_BYTES)
    yield
    cloudpickle.unregister_pickle_by_value(sys.modules[__name__])


def test_a_decoder_that_dies_between_windows_loses_and_doubles_none(
    bench, dying, monkeypatch, tmp_path
):
    monkeypatch.setattr(DecoderThatDies, "flag", tmp_path / "died")
    for n in range(3):
        draw(bench.input / f"{n}.png", n)
    report = bench.run(job(bench, "video_summary", "caption"))
    assert (tmp_path / "died").exists()
    assert (report.outcome, report.items_done, report.items_failed) == ("done", 4, 0)
    assert_summary_is_whole(bench)


def test_a_video_that_always_kills_its_decoder_half_way_fails_alone(bench, dying):
    for n in range(3):
        draw(bench.input / f"{n}.png", n)
    report = bench.run(job(bench, "video_summary", "caption"))
    assert (report.outcome, report.items_done, report.items_failed) == ("done", 3, 1)
    [failure] = bench.rows("failures")
    assert (Path(failure["item_id"]).name, failure["code"]) == ("long.mp4", "poison")


BOARD = "board-that-dies"


class AnnotatorThatKillsTheBoard(AnnotateOperator):
    """Ends the board's process once the first window is posted; the others wait for that."""

    flag: Path | None = None

    def __call__(self, batch):
        parts = batch.column("part").to_pylist()
        while any(parts) and 0 not in parts and not self.flag.exists():
            time.sleep(0.01)
        annotated = super().__call__(batch)
        if 0 in parts and not self.flag.exists():
            ray.kill(ray.get_actor(BOARD, namespace=BOARD), no_restart=False)
            self.flag.touch()
        return annotated


def test_what_a_lost_board_knew_is_missed_and_done_by_the_next_run(
    bench, monkeypatch, tmp_path
):
    cloudpickle.register_pickle_by_value(sys.modules[__name__])
    monkeypatch.setattr(
        pipeline.annotation,
        "start_board",
        lambda *told: start_board(*told, name=BOARD, namespace=BOARD),
    )
    monkeypatch.setattr(pipeline.annotation, "AnnotateOperator", AnnotatorThatKillsTheBoard)
    monkeypatch.setattr(AnnotatorThatKillsTheBoard, "flag", tmp_path / "killed")
    monkeypatch.setattr(pipeline.graph, "BLOCK_BYTES", SMALL_BLOCK_BYTES)
    draw(bench.input / "picture.png", 1)
    with pytest.raises(ClusterError, match="1 of 2 items did not come back"):
        bench.run(job(bench, "video_summary", "caption"))
    assert len(bench.rows("captions")) == 1
    ray.kill(ray.get_actor(BOARD, namespace=BOARD))
    report = bench.run(job(bench, "video_summary", "caption"))
    assert (report.outcome, report.items_done) == ("done", 1)
    assert_summary_is_whole(bench)
    cloudpickle.unregister_pickle_by_value(sys.modules[__name__])
