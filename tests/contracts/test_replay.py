"""The same job twice from nothing, laid out otherwise, gives the same answers to the byte."""

from __future__ import annotations

from pathlib import Path

import pytest
from deltalake import DeltaTable

from infra.demo.drawing import draw_scene
from infra.demo.encoding import ImageFile, encode_image
from infra.demo.world.scene import scene_of
from pipeline.cluster import connect, disconnect
from pipeline.locks import answer_columns
from pipeline.report import Snapshot, StopSignal
from pipeline.run import run_job
from schemas.job import JobSpec, ResourceSpec

MODEL = Path(__file__).parents[2] / "infra" / "demo" / "model"
PICTURES = 12


class Nobody:
    """An observer that says nothing."""

    def note(self, message: str) -> None:
        pass

    def update(self, snapshot: Snapshot) -> None:
        pass


@pytest.fixture
def drawn(tmp_path: Path) -> Path:
    """Pictures of several sizes, so that they are cut into slices differently."""
    folder = tmp_path / "media"
    folder.mkdir()
    for seed in range(PICTURES):
        side = 128 + 64 * (seed % 4)
        data = encode_image(draw_scene(scene_of(seed), side, side), ImageFile("png"))
        (folder / f"{seed:02}.png").write_bytes(data)
    return folder


def answers(media: Path, output: Path, **resources: int) -> dict[str, dict[str, dict]]:
    """What a run writes into the answer columns, by table and item."""
    job = JobSpec.model_validate(
        {
            "input": str(media),
            "model": str(MODEL),
            "tasks": ["caption", "tags"],
            "output": str(output),
            "resources": {"object_store_gib": 1, **resources},
        }
    )
    report = run_job(job, Nobody(), StopSignal())
    assert (report.outcome, report.items_done) == ("done", PICTURES)
    found = {}
    for name in ("captions", "tags"):
        table = DeltaTable(str(output / name)).to_pyarrow_table()
        columns = [*answer_columns(table.schema), "output_tokens", "finish_reason"]
        found[name] = {
            row["item_id"]: {column: row[column] for column in columns}
            for row in table.to_pylist()
        }
    return found


def test_two_runs_from_nothing_give_the_same_answers(drawn: Path, tmp_path: Path) -> None:
    cluster = connect(ResourceSpec(object_store_gib=1))
    try:
        once = answers(drawn, tmp_path / "1", decode_workers=1)
        again = answers(drawn, tmp_path / "2", decode_workers=2, requests_in_flight=5)
    finally:
        disconnect(cluster)
    assert once == again
    texts = {row["caption"] for row in once["captions"].values()}
    assert len(texts) > PICTURES / 2
