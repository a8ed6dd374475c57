"""A whole run over tar shards: texts in prompts, a damaged shard, and running again."""

from __future__ import annotations

import io
import json
import tarfile
from pathlib import Path

import pytest

from tests.media import pictures
from tests.pipeline.test_run import Bench

TASKS = [{"task": "story", "context": ["title"], "max_chars": 60}]


@pytest.fixture
def bench(tmp_path, checkpoint, local_ray) -> Bench:
    return Bench(tmp_path, checkpoint)


def write_shard(path: Path, titles: list[str]) -> None:
    """A sample a title, each with two pictures of its own."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w") as archive:
        for number, title in enumerate(titles):
            picture = pictures.encoded(pictures.quadrants(40 + number, 20), "PNG")
            fields = {"title": title, "sku": number}
            for extension, data in (
                ("a.png", picture),
                ("b.png", picture),
                ("json", json.dumps(fields).encode()),
            ):
                entry = tarfile.TarInfo(f"{number:03}.{extension}")
                entry.size = len(data)
                archive.addfile(entry, io.BytesIO(data))


def test_samples_get_rows_and_a_damaged_shard_one_failure(bench):
    write_shard(bench.input / "0.tar", ["red mug", "blue mug"])
    write_shard(bench.input / "1.tar", ["plate"])
    damaged = bench.input / "1.tar"
    damaged.write_bytes(damaged.read_bytes() + b"appended")
    shards = {"uris": str(bench.input), "carry": "sku"}
    output = {"uri": str(bench.output), "gone": "delete"}
    job = bench.job(
        input={"shards": shards}, tasks=TASKS, failures={"budget": 5}, output=output
    )
    report = bench.run(job)
    assert (report.outcome, report.items_done, report.items_failed) == ("done", 3, 1)
    stories = {row["item_id"]: row for row in bench.rows("stories")}
    assert json.loads(stories[f"{bench.input}/0.tar/001"]["carried"]) == {"sku": 1}
    [failure] = bench.rows("failures")
    assert (failure["item_id"], failure["code"]) == (str(damaged), "corrupt")

    write_shard(damaged, ["plate", "cup"])
    report = bench.run(job)
    assert (report.items_done, report.items_failed) == (2, 0)
    assert len(bench.rows("stories")) == 4

    whole = damaged.read_bytes()
    damaged.write_bytes(whole[: whole.index(b"001.a.png")])
    assert bench.run(job).rows_gone == 0
    assert len(bench.rows("stories")) == 4
    note = bench.observer.notes[-1]
    assert "output.gone: delete waits" in note
    assert str(damaged) in note
