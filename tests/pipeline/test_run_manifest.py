"""Whole runs over manifests: several images an item, context in prompts, columns carried."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from rich.console import Console

from jobs.coverage import show_coverage
from schemas.failure import UsageError
from tests.pipeline.conftest import draw
from tests.pipeline.test_run import Bench

TASKS = [
    "compare",
    "sequence",
    {"task": "story", "context": ["title"], "max_chars": 60},
    {"task": "vqa", "questions": ["What is it?"]},
]


@pytest.fixture
def bench(tmp_path, checkpoint, local_ray) -> Bench:
    return Bench(tmp_path, checkpoint)


def listings(folder: Path, titles: list[str | None]) -> Path:
    """A listing a title, each with two photographs of its own."""
    rows = []
    for number, title in enumerate(titles):
        photos = [f"{number}-{side}.png" for side in "ab"]
        for side, name in enumerate(photos):
            draw(folder / "photos" / name, 10 * number + side)
        rows.append({"sku": f"s{number}", "photos": photos, "title": title, "shelf": number})
    path = folder / "listings.parquet"
    pq.write_table(pa.Table.from_pylist(rows), path)
    return path


def job_over(bench: Bench, path: Path, **manifest):
    source = {
        "uris": str(path),
        "id": "sku",
        "media": "photos",
        "base": str(path.parent / "photos"),
        "carry": "shelf",
        **manifest,
    }
    return bench.job(input={"manifest": source}, tasks=TASKS)


def test_listings_get_a_row_for_each_task_with_what_they_carry(bench):
    path = listings(bench.input, ["red mug", None, "x" * 100_000])
    report = bench.run(job_over(bench, path))
    assert (report.outcome, report.items_done, report.items_failed) == ("done", 3, 0)
    assert report.rows_by_table == dict.fromkeys(
        ["comparisons", "sequences", "stories", "answers"], 3
    )
    stories = {row["item_id"]: row for row in bench.rows("stories")}
    assert json.loads(stories["s1"]["carried"]) == {"shelf": 1}
    assert [Path(uri).name for uri in stories["s2"]["uris"]] == ["2-a.png", "2-b.png"]
    assert stories["s2"]["context_cut"] == ["title"]
    assert stories["s0"]["context_cut"] is None
    assert stories["s2"]["prompt_tokens"] > stories["s1"]["prompt_tokens"]


def test_a_listing_whose_text_changed_is_asked_again(bench):
    path = listings(bench.input, ["red mug", "blue mug"])
    bench.run(job_over(bench, path))
    assert bench.run(job_over(bench, path)).outcome == "nothing_to_do"
    listings(bench.input, ["red mug", "green mug"])
    report = bench.run(job_over(bench, path))
    assert (report.items_planned, report.items_current) == (1, 1)
    assert len(bench.rows("stories")) == 2


def test_a_broken_photograph_is_a_failure_or_left_out_as_the_job_says(bench):
    path = listings(bench.input, ["a", "b"])
    (bench.input / "photos" / "1-a.png").write_bytes(b"no picture")
    report = bench.run(job_over(bench, path))
    assert (report.items_done, report.items_failed) == (1, 1)
    assert report.failures_by_code == {"not_media": 4}
    job = job_over(bench, path)
    lenient = job.model_copy(
        update={
            "media": job.media.model_validate({"images": {"broken": "leave_out"}}),
            "output": job.output.model_copy(update={"uri": str(bench.output) + "-2"}),
        }
    )
    assert bench.run(lenient).items_done == 2
    bench.output = Path(str(bench.output) + "-2")
    rows = {row["item_id"]: row for row in bench.rows("comparisons")}
    assert [left["index"] for left in rows["s1"]["left_out"]] == [0]
    assert rows["s0"]["left_out"] is None


def test_an_id_used_twice_is_refused_by_name(bench):
    path = listings(bench.input, ["a"])
    table = pq.read_table(path)
    pq.write_table(pa.concat_tables([table, table]), path)
    with pytest.raises(UsageError, match=r"'s0' \(2 times\)"):
        bench.run(job_over(bench, path))


def test_a_column_that_a_prompt_names_and_the_manifest_lacks_is_told(bench):
    path = listings(bench.input, ["a"])
    job = job_over(bench, path)
    wrong = bench.job(
        input={"manifest": job.input.manifest.model_dump()},
        tasks=[{"task": "compare", "item_prompt": "It is {{ context.name }}."}],
    )
    with pytest.raises(UsageError, match="no column 'name'; it has sku"):
        bench.run(wrong)


def test_a_taxonomys_use_is_counted(bench, tmp_path):
    path = listings(bench.input, ["a", "b", "c"])
    taxonomy = tmp_path / "tags.csv"
    taxonomy.write_text("id,name,parent,synonyms\nk,kitchen,,\nm,mug,k,\nt,toys,,\n")
    folder = str(path.parent / "photos")
    job = bench.job(input=folder, tasks=[{"task": "tags", "taxonomy": str(taxonomy)}])
    bench.run(job)
    rows = bench.rows("tags")
    assert len(rows) == 6
    names = {"k": ["kitchen"], "m": ["kitchen", "mug"], "t": ["toys"]}
    given = [tag for row in rows for tag in row["tags"] if tag["id"]]
    assert all(tag["path"] == names[tag["id"]] for tag in given)
    console = Console(file=io.StringIO(), width=100)
    show_coverage(console, job, unused_only=False)
    shown = console.file.getvalue()
    assert "kitchen > mug" in shown
    below = sum(tag["id"] in ("k", "m") for tag in given)
    assert f"{below}" in shown.splitlines()[1].split()[-1]
    assert "tags: 6 items" in shown
