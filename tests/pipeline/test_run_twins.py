"""Whole runs over files of which several have the same content."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from tests.pipeline.conftest import draw
from tests.pipeline.test_run import Bench


@pytest.fixture
def bench(tmp_path, checkpoint, local_ray) -> Bench:
    return Bench(tmp_path, checkpoint)


def by_name(bench: Bench, table: str) -> dict[str, dict]:
    return {Path(row["item_id"]).name: row for row in bench.rows(table)}


def test_files_with_the_same_content_are_annotated_once_and_copied(bench):
    for n in range(3):
        draw(bench.input / f"{n}.png", n)
    for copy in ("1-again.png", "other-folder/1.png"):
        path = bench.input / copy
        path.parent.mkdir(exist_ok=True)
        shutil.copyfile(bench.input / "1.png", path)
    report = bench.run()
    assert (report.items_done, report.rows_by_table) == (5, {"captions": 5, "tags": 5})
    rows = {
        row["item_id"].removeprefix(f"{bench.input}/"): row for row in bench.rows("captions")
    }
    twins = [rows[name] for name in ("1.png", "1-again.png", "other-folder/1.png")]
    [asked] = [row for row in twins if row["copied_from"] is None]
    for row in twins:
        assert row["caption"] == asked["caption"]
        assert row["uris"] == [row["item_id"]]
        if row is not asked:
            assert (row["copied_from"], row["copy_distance"]) == (asked["item_id"], 0)
            assert row["output_tokens"] == 0
    assert rows["0.png"]["caption"] != rows["2.png"]["caption"] != asked["caption"]
    assert bench.run().outcome == "nothing_to_do"


def test_a_job_may_have_every_file_annotated(bench):
    draw(bench.input / "a.png", 1)
    shutil.copyfile(bench.input / "a.png", bench.input / "b.png")
    bench.run(bench.job(duplicates={"exact": "annotate"}))
    assert [row["copied_from"] for row in bench.rows("captions")] == [None, None]


def test_what_an_earlier_run_has_annotated_is_copied(bench):
    # Bitmaps of one size: only what is in them tells them apart.
    only_captions = {
        "tasks": ["caption"],
        "output": {"uri": str(bench.output), "gone": "delete"},
    }
    paths = {name: draw(bench.input / f"{name}.bmp", n) for n, name in enumerate("abcd")}
    bench.run(bench.job(**only_captions))
    before = by_name(bench, "captions")
    shutil.copyfile(paths["a"], bench.input / "copy.bmp")
    paths["b"].rename(bench.input / "renamed.bmp")
    os.utime(paths["c"], (1, 1))
    draw(bench.input / "new.bmp", 9)
    report = bench.run(bench.job(**only_captions))
    assert (report.items_done, report.items_failed, report.rows_gone) == (4, 0, 1)
    rows = by_name(bench, "captions")
    asked = {name for name, row in rows.items() if row["run_id"] == report.run_id}
    assert asked == {"copy.bmp", "renamed.bmp", "c.bmp", "new.bmp"}
    told = {name: (row["copied_from"], row["output_tokens"] > 0) for name, row in rows.items()}
    assert told["copy.bmp"] == (str(paths["a"]), False)
    assert told["renamed.bmp"] == (str(paths["b"]), False)
    assert told["c.bmp"] == (None, False)
    assert told["new.bmp"] == (None, True)
    for name, of in (("copy", "a"), ("renamed", "b"), ("c", "c")):
        assert rows[f"{name}.bmp"]["caption"] == before[f"{of}.bmp"]["caption"]
    assert rows["new.bmp"]["caption"] not in {row["caption"] for row in before.values()}
    assert bench.run(bench.job(**only_captions)).outcome == "nothing_to_do"


def test_an_earlier_run_may_have_answered_some_of_the_questions(bench):
    first = draw(bench.input / "a.png", 1)
    bench.run(bench.job(tasks=["caption"]))
    shutil.copyfile(first, bench.input / "b.png")
    tags = {"task": "tags", "vocabulary": ["a", "b", "c"]}
    assert bench.run(bench.job(tasks=["caption", tags])).items_done == 2
    told = {table: by_name(bench, table)["b.png"] for table in ("captions", "tags")}
    assert told["captions"]["copied_from"] == str(first)
    assert (told["tags"]["copied_from"], told["tags"]["output_tokens"] > 0) == (None, True)
    other = bench.job(tasks=[{"task": "caption", "style": "short"}, tags])
    bench.run(other)
    captions = by_name(bench, "captions").values()
    assert [row["style"] for row in captions] == ["short", "short"]
    assert sum(row["output_tokens"] > 0 for row in captions) == 1
