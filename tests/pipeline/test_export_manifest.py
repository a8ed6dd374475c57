"""Exports of jobs over manifests, read back with the tools they are for."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.export.export import export_job
from schemas.failure import UsageError
from schemas.job import JobSpec
from tests.media import pictures
from tests.pipeline.conftest import draw
from tests.pipeline.exports import SHORT, lines_of, members_of
from tests.pipeline.test_run import Bench


@pytest.fixture(scope="module")
def products(tmp_path_factory, checkpoint, local_ray) -> Bench:
    """A Parquet manifest of two files in several row groups, pictures named and in cells."""
    bench = Bench(tmp_path_factory.mktemp("products"), checkpoint)
    schema = pa.schema(
        [
            pa.field("sku", pa.int64(), nullable=False),
            pa.field("photos", pa.list_(pa.string())),
            pa.field("title", pa.large_string()),
            pa.field("price", pa.decimal128(9, 2)),
            pa.field("weight", pa.float64()),
        ],
        metadata={"made by": "hand"},
    )
    for file in range(2):
        rows = []
        for number in range(5):
            sku = 10 * file + number
            photos = [str(draw(bench.input / "photos" / f"{sku}-{s}.png", sku)) for s in "ab"]
            weight = float("nan") if number == 1 else float(number)
            title = None if number == 2 else f"Becher № {sku}\n\u2028\"'"
            rows.append({"sku": sku, "photos": photos, "title": title, "weight": weight})
        if file == 1:
            Path(rows[3]["photos"][0]).write_text("no picture")
        path = bench.input / "table" / f"{file}.parquet"
        path.parent.mkdir(exist_ok=True)
        pq.write_table(pa.Table.from_pylist(rows[::-1], schema=schema), path, row_group_size=2)
    bench.run(products_job(bench))
    return bench


def products_job(bench: Bench, **changes) -> JobSpec:
    manifest = {
        "uris": str(bench.input / "table"),
        "id": "sku",
        "media": "photos",
        "carry": ["title", "weight"],
    }
    tasks = [{"task": "story", "max_chars": 60}, {"task": "vqa", "questions": ["What?"]}]
    return bench.job(input={"manifest": manifest}, **({"tasks": tasks} | changes))


def test_a_parquet_manifest_is_copied_row_by_row_with_the_answers_beside(products, tmp_path):
    report = export_job(products_job(products), str(tmp_path / "to"), "parquet")
    assert (report.listed, report.written, report.unanswered, report.copied) == (10, 9, 1, True)
    stories = {row["item_id"]: row for row in products.rows("stories")}
    for name in ("0.parquet", "1.parquet"):
        source = pq.ParquetFile(products.input / "table" / name)
        copy = pq.ParquetFile(tmp_path / "to" / name)
        names = source.schema_arrow.names
        assert copy.schema_arrow.names == [*names, "story_title", "story_story", "vqa"]
        assert copy.schema_arrow.metadata[b"made by"] == b"hand"
        assert [copy.schema_arrow.field(n) for n in names] == list(source.schema_arrow)
        assert copy.num_row_groups == source.num_row_groups == 3
        kept = copy.read().select(names)
        assert repr(kept.to_pylist()) == repr(source.read().to_pylist())
        for row in copy.read().to_pylist():
            story = stories.get(str(row["sku"]))
            assert row["story_title"] == (story and story["title"])
            assert row["story_story"] == (story and story["story"])
            assert (row["vqa"] is None) == (row["sku"] == 13)


def test_what_is_carried_is_an_object_and_json_has_no_nan(products, tmp_path):
    report = export_job(products_job(products), str(tmp_path / "to"), "jsonl")
    text = Path(report.files[0]).read_text()
    assert "NaN" not in text
    records = {record["item_id"]: record for record in lines_of(Path(report.files[0]))}
    assert records["0"]["carried"] == {"title": "Becher № 0\n\u2028\"'", "weight": 0.0}
    assert records["1"]["carried"]["weight"] is None
    assert records["2"]["carried"]["title"] is None
    assert len(records["0"]["uris"]) == 2


def test_several_images_are_numbered_and_lost_ones_left_out_by_name(products, tmp_path):
    job = products_job(products)
    lost = [products.input / "photos" / name for name in ("0-a.png", "2-a.png", "2-b.png")]
    kept = [path.read_bytes() for path in lost]
    for path in lost:
        path.unlink()
    try:
        report = export_job(job, str(tmp_path / "to"), "webdataset", text="story")
    finally:
        for path, data in zip(lost, kept, strict=True):
            path.write_bytes(data)
    assert (report.written, report.without_media, report.media_left_out) == (8, 1, 3)
    assert len(report.reasons) == 3
    assert any("0-a.png" in reason and "does not exist" in reason for reason in report.reasons)
    members = members_of(Path(report.files[0]).read_bytes())
    keys = {
        json.loads(data)["item_id"]: name.partition(".")[0]
        for name, data in members.items()
        if name.endswith(".json")
    }
    assert "2" not in keys
    assert f"{keys['0']}.0.png" not in members
    other = (products.input / "photos" / "0-b.png").read_bytes()
    assert members[f"{keys['0']}.1.png"] == other
    assert {f"{keys['1']}.0.png", f"{keys['1']}.1.png"} < set(members)
    stories = {row["item_id"]: row["story"] for row in products.rows("stories")}
    assert members[f"{keys['1']}.txt"].decode() == stories["1"]


def test_a_column_that_the_manifest_has_already_is_refused_with_the_remedy(products, tmp_path):
    job = products_job(
        products, tasks=[{"task": "vqa", "name": "title", "questions": ["What?"]}]
    )
    with pytest.raises(UsageError, match=r"'title'.*0\.parquet already; .*another `name:`"):
        export_job(job, str(tmp_path / "to"), "parquet")
    assert not (tmp_path / "to").exists()


def test_pictures_in_cells_go_into_shards_with_the_suffix_of_their_content(
    tmp_path, checkpoint, local_ray
):
    bench = Bench(tmp_path, checkpoint)
    forms = ("JPEG", "PNG", "WEBP")
    pixels = [pictures.encoded(pictures.quadrants(64 + n, 48), f) for n, f in enumerate(forms)]
    rows = [{"key": f"a/b\n{n}", "image": data} for n, data in enumerate(pixels)]
    (tmp_path / "cells").mkdir()
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "cells" / "c.parquet")
    source = {"uris": str(tmp_path / "cells"), "id": "key", "media": "image"}
    job = bench.job(input={"manifest": source}, tasks=[SHORT])
    bench.run(job)
    report = export_job(job, str(tmp_path / "to"), "webdataset")
    members = members_of(Path(report.files[0]).read_bytes())
    for number, suffix in enumerate(("jpg", "png", "webp")):
        assert members[f"00000000{number}.{suffix}"] == pixels[number]
        assert json.loads(members[f"00000000{number}.json"])["item_id"] == f"a/b\n{number}"
    copy = export_job(job, str(tmp_path / "copy"), "parquet").files[0]
    assert pq.read_table(copy).column("image").to_pylist() == pixels


def test_a_csv_manifest_gives_parquet_and_answers_to_earlier_versions_are_left_out(
    tmp_path, checkpoint, local_ray
):
    bench = Bench(tmp_path, checkpoint)
    photo = draw(bench.input / "a.png", 1)
    table = tmp_path / "list.csv"
    table.write_text(f"id,photo,day\nx,{photo},1\ny,{photo},1\n")
    source = {"uris": str(table), "media": "photo", "version": "day"}
    job = bench.job(input={"manifest": source}, tasks=[SHORT])
    bench.run(job)
    [file] = export_job(job, str(tmp_path / "to"), "parquet").files
    assert pq.read_table(file).select(["item_id", "uris"]).to_pylist() == [
        {"item_id": item_id, "uris": [str(photo)]} for item_id in "xy"
    ]
    table.write_text(f"id,photo,day\nx,{photo},2\ny,{photo},1\n")
    report = export_job(job, str(tmp_path / "later"), "jsonl")
    assert (report.written, report.unanswered, report.changed) == (1, 1, 1)
    assert [record["item_id"] for record in lines_of(Path(report.files[0]))] == ["y"]
