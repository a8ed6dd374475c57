"""Whole runs over few items, and over items with names that nobody would choose."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pipeline import commit as commit_module
from tests.fixtures.command_line import tagline
from tests.pipeline.conftest import draw
from tests.pipeline.test_odd_ids import ODD_IDS
from tests.pipeline.test_run import Bench


@pytest.fixture
def bench(tmp_path, checkpoint, local_ray) -> Bench:
    return Bench(tmp_path, checkpoint)


def manifest(folder: Path, media: dict[str, Path]) -> dict:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "items.jsonl"
    lines = [json.dumps({"id": item_id, "photo": str(p)}) for item_id, p in media.items()]
    path.write_text("".join(line + "\n" for line in lines))
    return {"manifest": {"uris": str(path), "media": "photo"}}


def test_odd_ids_come_back_as_they_went_in_rows_and_failures(bench):
    """Those at odd places have a picture, the others have none until the second run."""
    media = {
        item_id: draw(bench.input / f"{number}.png", number)
        for number, item_id in enumerate(ODD_IDS)
    }
    broken = ODD_IDS[::2]
    for item_id in broken:
        media[item_id].write_text(f"no picture of {media[item_id].name}")
    job = bench.job(input=manifest(bench.input, media), tasks=["caption"])
    report = bench.run(job)
    assert (report.items_done, report.items_failed) == (len(ODD_IDS) // 2, len(broken))
    assert sorted(row["item_id"] for row in bench.rows("captions")) == sorted(ODD_IDS[1::2])
    assert sorted(row["item_id"] for row in bench.rows("failures")) == sorted(broken)
    assert bench.run(job).outcome == "nothing_to_do"

    shown = tagline("failures", str(bench.output))
    assert shown.returncode == 0, shown.stderr
    for command in (["failures"], ["show", "--table", "captions"]):
        shown = tagline(command[0], str(bench.output), *command[1:])
        assert shown.returncode == 0, shown.stderr
        assert "\x1b" not in shown.stdout
        assert "\u202e" not in shown.stdout

    whole = {
        item_id: draw(bench.input / f"new-{n}.png", n) for n, item_id in enumerate(ODD_IDS)
    }
    report = bench.run(bench.job(input=manifest(bench.input, whole), tasks=["caption"]))
    assert report.items_done == len(ODD_IDS)
    assert sorted(row["item_id"] for row in bench.rows("captions")) == sorted(ODD_IDS)
    assert bench.rows("failures") == []


def test_one_item_is_done(bench):
    media = {"only": draw(bench.input / "a.png", 1)}
    report = bench.run(bench.job(input=manifest(bench.input, media), tasks=["caption"]))
    assert (report.outcome, report.items_listed, report.items_done) == ("done", 1, 1)
    [row] = bench.rows("captions")
    assert row["item_id"] == "only"


def test_no_items_are_nothing_to_do(bench):
    report = bench.run(bench.job(input=manifest(bench.input, {}), tasks=["caption"]))
    assert (report.outcome, report.items_listed) == ("nothing_to_do", 0)
    assert bench.rows("captions") == []
    [run] = bench.rows("runs")
    assert run["outcome"] == "nothing_to_do"


def test_a_clock_that_goes_backwards_makes_older_rows_and_no_other_trouble(bench, monkeypatch):
    class Backwards(commit_module.datetime):
        hours = 0

        @classmethod
        def now(cls, tz=None):
            cls.hours += 1
            return commit_module.datetime.__mro__[1].now(tz).replace(year=2020 - cls.hours)

    monkeypatch.setattr(commit_module, "datetime", Backwards)
    path = draw(bench.input / "a.png", 1)
    draw(bench.input / "b.png", 2)
    job = bench.job(tasks=["caption"])
    bench.run(job)
    [first] = [row for row in bench.rows("captions") if row["item_id"] == str(path)]
    draw(path, 3, (80, 60))
    assert bench.run(job).items_done == 1
    [second] = [row for row in bench.rows("captions") if row["item_id"] == str(path)]
    assert second["created_at"] < first["created_at"]
    assert second["source_width"] == 80
    assert bench.run(job).outcome == "nothing_to_do"
