"""What rows tell of a damaged video, from its file to the annotated row."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from operators.annotate import AnnotateOperator
from operators.base import EngineSpec
from operators.decode import DecodeOperator, in_tables
from operators.models.base import Geometry
from operators.tasks.registry import WINDOWS, bind_tasks
from schemas.item import Item, Medium, PendingTask
from schemas.job import MediaSpec, StorageSpec, TaskSpec, VideoSampling
from schemas.media import MediaKind
from tests.media import clips
from tests.media.clips import X264_B_FRAMES, Clip
from tests.media.hurt import cut, hurt, index_first, places

GEOMETRY = Geometry(112, 14, 9, 16, 4096)
TASKS = [TaskSpec(task="video_summary", name="video_summary")]
PENDING = (PendingTask("video_summary", "f"), PendingTask(WINDOWS.name, "w"))
MP4 = clips.make(Clip(options=X264_B_FRAMES))


def rows_of(path: Path, *, backwards: bool = False, **sampling) -> dict[str, dict[str, Any]]:
    """Annotate a file; its parts may come to the model in the reverse order."""
    medium = Medium(str(path), path.stat().st_size, None)
    item = Item("film", MediaKind.VIDEO, "v1", (medium,), PENDING)
    spec = MediaSpec(video=VideoSampling(**sampling))
    decoder = DecodeOperator(
        StorageSpec(), spec, 10**6, 112 * 112, by_windows=["video_summary"]
    )
    model = AnnotateOperator(
        EngineSpec("fake", {"geometry": GEOMETRY}),
        "minicpm-v-2.6",
        GEOMETRY,
        bind_tasks(TASKS),
    )
    decoder.setup()
    model.setup()
    try:
        tables = list(in_tables(decoder.decoded([item]), 1))
        rows = [
            row
            for table in (reversed(tables) if backwards else tables)
            for row in model(table).to_pylist()
        ]
    finally:
        decoder.close()
        model.close()
    return {row["task"]: row for row in rows}


@pytest.fixture
def broken(tmp_path: Path) -> Path:
    path = tmp_path / "broken.mp4"
    [place] = [one for one in places(MP4) if one.number == 52]
    path.write_bytes(hurt(MP4, place))
    return path


@pytest.fixture
def short(tmp_path: Path) -> Path:
    path = tmp_path / "short.mp4"
    path.write_bytes(cut(index_first(MP4), 0.6))
    return path


def test_a_whole_video_s_row_lacks_nothing(tmp_path: Path) -> None:
    path = tmp_path / "whole.mp4"
    path.write_bytes(MP4)
    row = rows_of(path, max_frames=4, damaged="use")["video_summary"]
    assert row["failure"] is None
    assert row["left_out"] is None


def test_a_damaged_video_fails_unless_the_job_says_otherwise(broken: Path, short: Path) -> None:
    every = {"policy": "fps", "fps": 25, "max_frames": 1024}
    assert rows_of(broken, **every)["video_summary"]["failure"]["code"] == "corrupt"
    assert rows_of(short, max_frames=4)["video_summary"]["failure"]["code"] == "truncated"


def test_a_row_says_that_its_video_was_cut_off(short: Path) -> None:
    row = rows_of(short, max_frames=4, damaged="use")["video_summary"]
    assert row["failure"] is None
    assert len(row["frame_pts"]) == 4
    [left] = row["left_out"]
    assert (left["index"], left["code"]) == (0, "truncated")
    assert left["message"].endswith("s of it are used")


@pytest.mark.parametrize("backwards", [False, True])
def test_all_rows_of_a_long_video_say_what_was_lost(broken: Path, backwards: bool) -> None:
    rows = rows_of(
        broken,
        backwards=backwards,
        policy="fps",
        fps=25,
        max_frames=16,
        damaged="use",
    )
    assert set(rows) == {"video_summary", WINDOWS.name}
    for row in rows.values():
        assert row["failure"] is None
        assert len(row["frame_pts"]) == 89
        [left] = row["left_out"]
        assert (left["index"], left["code"]) == (0, "corrupt")
        assert left["message"].startswith("11 of 100 sampled frames cannot be decoded")
