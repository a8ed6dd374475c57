"""Whole runs over pictures of which several look alike."""

from __future__ import annotations

from pathlib import Path

import pytest
from deltalake import DeltaTable
from PIL import Image
from pydantic import ValidationError

from infra.demo.drawing import draw_scene
from infra.demo.world.scene import scene_of
from operators.base import EngineSpec
from operators.models.checkpoint import read_geometry
from pipeline.report import RunReport, StopSignal
from pipeline.run import run_job
from schemas.job import DuplicateSpec, JobSpec
from tests.pipeline.test_run import Recorder

SEEDS = (940_001, 940_002, 940_003)


def drawn(seed: int) -> Image.Image:
    return draw_scene(scene_of(seed), 400, 300)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three pictures, each as it is, as two JPEGs, and scaled; and two flat ones."""
    folder = tmp_path / "in"
    folder.mkdir()
    for seed in SEEDS:
        picture = drawn(seed)
        picture.save(folder / f"{seed}-whole.png")
        picture.save(folder / f"{seed}-90.jpg", quality=90)
        picture.save(folder / f"{seed}-60.jpg", quality=60)
        picture.resize((300, 225), Image.Resampling.LANCZOS).save(folder / f"{seed}-small.png")
    Image.new("RGB", (300, 200), "white").save(folder / "flat-1.png")
    Image.new("RGB", (310, 200), "white").save(folder / "flat-2.png")
    return folder


def run(folder: Path, checkpoint: Path, behaviours: dict[str, str], **changes) -> RunReport:
    job = {
        "input": str(folder),
        "model": str(checkpoint),
        "tasks": ["caption"],
        "output": str(folder.parent / "out"),
        "media": {"max_pixels": 400 * 300},
        "failures": {"budget": 1.0},
        "resources": {"decode_workers": 2, "requests_in_flight": 8},
    }
    geometry = read_geometry(checkpoint)
    engine = EngineSpec("fake", {"geometry": geometry, "behaviours": behaviours})
    spec = JobSpec.model_validate(job | changes)
    return run_job(spec, Recorder(), StopSignal(), engine=engine)


def rows_of(folder: Path, table: str) -> dict[str, dict]:
    rows = DeltaTable(str(folder.parent / "out" / table)).to_pyarrow_table().to_pylist()
    return {Path(row["item_id"]).name: row for row in rows}


def test_pictures_that_look_alike_are_annotated_once(folder, checkpoint, local_ray):
    report = run(folder, checkpoint, {}, duplicates={"near": 4})
    assert (report.items_done, report.items_failed) == (14, 0)
    rows = rows_of(folder, "captions")
    for seed in SEEDS:
        [first, *copies] = sorted(
            (row for name, row in rows.items() if name.startswith(str(seed))),
            key=lambda row: row["copied_from"] is not None,
        )
        assert (first["copied_from"], first["copy_distance"]) == (None, None)
        assert len(copies) == 3
        for row in copies:
            assert row["copied_from"] == first["item_id"]
            assert 0 <= row["copy_distance"] <= 4
            assert row["caption"] == first["caption"]
            assert row["output_tokens"] == 0
        assert rows[f"{seed}-small.png"]["source_width"] == 300
        assert rows[f"{seed}-whole.png"]["source_width"] == 400
    assert len({row["caption"] for row in rows.values()}) == 5
    assert rows["flat-1.png"]["copied_from"] is rows["flat-2.png"]["copied_from"] is None
    assert run(folder, checkpoint, {}, duplicates={"near": 4}).outcome == "nothing_to_do"


def test_looks_are_not_compared_where_each_file_is_to_be_annotated():
    with pytest.raises(ValidationError, match="exact: copy"):
        DuplicateSpec(near=4, exact="annotate")


def test_when_the_first_fails_those_that_look_like_it_are_asked_by_the_next_run(
    folder, checkpoint, local_ray
):
    refused = {str(SEEDS[0]): "refuse"}
    report = run(folder, checkpoint, refused, duplicates={"near": 4})
    assert report.failures_by_code == {"engine_refused": 1, "twin_failed": 3}
    [first] = [
        name
        for name, row in rows_of(folder, "failures").items()
        if row["code"] == "engine_refused"
    ]
    report = run(folder, checkpoint, {first: "refuse"}, duplicates={"near": 4})
    assert (report.items_planned, report.items_done) == (3, 3)
    rows = rows_of(folder, "captions")
    assert {row["copied_from"] for name, row in rows.items() if str(SEEDS[0]) in name} == {None}
    assert list(rows_of(folder, "failures")) == [first]
