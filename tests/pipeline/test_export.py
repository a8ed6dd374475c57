"""Exports of real runs with the fake engine, read back with the tools they are for."""

from __future__ import annotations

import io
import json
import subprocess
import sys
import tarfile
from pathlib import Path

import boto3
import duckdb
import pyarrow.parquet as pq
import pytest
from PIL import Image

from operators.signatures import sniff
from operators.tasks.registry import bind_tasks
from pipeline.export.columns import answer_columns, text_column
from pipeline.export.export import export_job
from pipeline.export.joined import joined_items
from pipeline.export.jsonl import write_jsonl
from pipeline.export.media import MediaReader
from pipeline.export.report import ExportReport
from pipeline.export.shards import ShardWriter
from pipeline.export.target import open_target
from schemas.failure import StorageError, UsageError
from schemas.job import JobSpec
from tests.media import pictures
from tests.pipeline.conftest import draw
from tests.pipeline.exports import SHORT, lines_of, members_of
from tests.pipeline.test_run import Bench

TASKS = [
    SHORT,
    {"task": "caption", "name": "detailed"},
    {"task": "tags", "vocabulary": ["a", "b", "c"]},
]
ODD_NAMES = ("图片 'é\".png", "line\nbreak.png", "sub/deep/a.jpg")
COLUMNS = ["short_caption", "short_style", "short_caution"]


@pytest.fixture(scope="module")
def annotated(tmp_path_factory, checkpoint, local_ray) -> Bench:
    """Three odd names in full, `half.png` with the short caption alone, and a broken file."""
    bench = Bench(tmp_path_factory.mktemp("export"), checkpoint)
    for number, name in enumerate(ODD_NAMES):
        draw(bench.input / name, number)
    (bench.input / "broken.png").write_text("no picture")
    bench.run(bench.job(tasks=TASKS))
    draw(bench.input / "half.png", 9)
    bench.run(bench.job(tasks=[SHORT]))
    return bench


@pytest.fixture
def job(annotated) -> JobSpec:
    return annotated.job(tasks=TASKS)


def rows_by_id(bench: Bench, task: str) -> dict[str, dict]:
    return {row["item_id"]: row for row in bench.rows("captions") if row["task"] == task}


def test_json_lines_hold_every_annotated_item_and_null_for_what_it_lacks(
    annotated, job, tmp_path
):
    report = export_job(job, str(tmp_path / "to"), "jsonl")
    assert (report.listed, report.written, report.unanswered) == (5, 4, 1)
    assert report.files == [str(tmp_path / "to" / "part-00000.jsonl")]
    records = {record["item_id"]: record for record in lines_of(Path(report.files[0]))}
    names = [*ODD_NAMES, "half.png"]
    assert set(records) == {str(annotated.input / name) for name in names}
    short, detailed = rows_by_id(annotated, "short"), rows_by_id(annotated, "detailed")
    tags = {row["item_id"]: row["tags"] for row in annotated.rows("tags")}
    for name in ODD_NAMES:
        item_id = str(annotated.input / name)
        record = records[item_id]
        assert record["uris"] == [item_id]
        assert record["carried"] is None
        assert record["short_caption"] == short[item_id]["caption"]
        assert record["detailed_caption"] == detailed[item_id]["caption"]
        assert record["short_caption"] != record["detailed_caption"]
        assert record["tags"] == tags[item_id]
    half = records[str(annotated.input / "half.png")]
    assert half["short_style"] == "short"
    assert half["detailed_caption"] is None
    assert half["tags"] is None
    found = duckdb.sql(
        f"SELECT count(*), count(tags) FROM read_json('{report.files[0]}')"
    ).fetchall()
    assert found == [(4, 3)]


def test_json_lines_are_cut_into_files(job, tmp_path):
    tasks = bind_tasks(job.tasks)
    target = open_target(str(tmp_path / "to"), job, tasks)
    with joined_items(job, tasks) as joined:
        assert write_jsonl(joined.items(), target, items_per_file=3) == 4
    assert [len(lines_of(Path(file))) for file in target.files] == [3, 1]
    assert [Path(file).name for file in target.files] == [
        "part-00000.jsonl",
        "part-00001.jsonl",
    ]


def test_shards_hold_the_original_bytes_the_text_and_all_columns(annotated, job, tmp_path):
    report = export_job(job, str(tmp_path / "to"), "webdataset", text="detailed")
    assert (report.written, report.without_text, report.unanswered) == (3, 1, 1)
    members = members_of((tmp_path / "to" / "00000.tar").read_bytes())
    keys = sorted({name.partition(".")[0] for name in members})
    assert keys == ["000000000", "000000001", "000000002"]
    detailed = rows_by_id(annotated, "detailed")
    tags = {row["item_id"]: row["tags"] for row in annotated.rows("tags")}
    seen = set()
    for key in keys:
        record = json.loads(members[f"{key}.json"])
        seen.add(record["item_id"])
        suffix = "jpg" if record["item_id"].endswith(".jpg") else "png"
        assert members[f"{key}.{suffix}"] == Path(record["item_id"]).read_bytes()
        assert members[f"{key}.txt"].decode() == detailed[record["item_id"]]["caption"]
        assert record["tags"] == tags[record["item_id"]]
    assert seen == {str(annotated.input / name) for name in ODD_NAMES}


def test_the_first_caption_is_the_text_and_shards_are_the_same_each_time(
    annotated, job, tmp_path
):
    for to in ("one", "two"):
        assert export_job(job, str(tmp_path / to), "webdataset").written == 4
    first = (tmp_path / "one" / "00000.tar").read_bytes()
    assert first == (tmp_path / "two" / "00000.tar").read_bytes()
    members = members_of(first)
    record = json.loads(members["000000000.json"])
    assert members["000000000.txt"].decode() == record["short_caption"]
    with tarfile.open(fileobj=io.BytesIO(first)) as tar:
        owners = {(m.mtime, m.uid, m.gid, m.uname, m.gname) for m in tar.getmembers()}
    assert owners == {(0, 0, 0, "", "")}


@pytest.mark.parametrize("limit", [{"samples_per_shard": 3}, {"bytes_per_shard": 1}], ids=str)
def test_shards_end_at_their_limits_and_keys_go_on(job, tmp_path, limit):
    tasks, report = bind_tasks(job.tasks), ExportReport()
    target = open_target(str(tmp_path / "to"), job, tasks)
    text = text_column(tasks, "short")
    with joined_items(job, tasks) as joined:
        writer = ShardWriter(target, MediaReader(job), text, report, **limit)
        assert writer.write(joined.items()) == 4
    texts = [
        [name for name in members_of(Path(file).read_bytes()) if name.endswith(".txt")]
        for file in target.files
    ]
    sizes = [3, 1] if "samples_per_shard" in limit else [1, 1, 1, 1]
    assert [len(names) for names in texts] == sizes
    assert sorted(name for names in texts for name in names) == [
        f"00000000{n}.txt" for n in range(4)
    ]


def test_parquet_of_plain_files_has_the_tasks_own_types(annotated, job, tmp_path):
    report = export_job(job, str(tmp_path / "to"), "parquet")
    assert (report.written, report.copied) == (4, False)
    table = pq.read_table(report.files[0])
    assert table.column_names[:2] == ["item_id", "uris"]
    assert table.column_names[2:5] == COLUMNS
    assert table.column_names[-1] == "tags"
    for column in answer_columns(bind_tasks(job.tasks)):
        assert table.schema.field(column.name).type == column.type
    assert table.column("tags").null_count == 1
    tags = {row["item_id"]: row["tags"] for row in annotated.rows("tags")}
    rows = {row["item_id"]: row for row in table.to_pylist()}
    for item_id, given in tags.items():
        assert rows[item_id]["tags"] == given


def test_from_and_to_object_storage(s3_server, s3_bucket, tmp_path, checkpoint, local_ray):
    client = boto3.client("s3", endpoint_url=s3_server.endpoint_url)
    body = pictures.encoded(pictures.quadrants(64, 48), "JPEG")
    client.put_object(Bucket=s3_bucket, Key="in/a b/ü.png", Body=body)
    bench = Bench(tmp_path, checkpoint)
    job = bench.job(
        input=f"s3://{s3_bucket}/in/",
        output=f"s3://{s3_bucket}/out",
        tasks=[SHORT],
        storage={"endpoint_url": s3_server.endpoint_url, "path_style": True},
    )
    bench.run(job)
    exported = {}
    for kind in ("jsonl", "webdataset", "parquet"):
        [uri] = export_job(job, f"s3://{s3_bucket}/to/{kind}/", kind).files
        key = uri.removeprefix(f"s3://{s3_bucket}/")
        exported[kind] = client.get_object(Bucket=s3_bucket, Key=key)["Body"].read()
    item_id = f"s3://{s3_bucket}/in/a b/ü.png"
    members = members_of(exported["webdataset"])
    assert members["000000000.jpg"] == body
    assert json.loads(members["000000000.json"])["item_id"] == item_id
    assert json.loads(exported["jsonl"])["item_id"] == item_id
    table = pq.read_table(io.BytesIO(exported["parquet"]))
    assert table["item_id"].to_pylist() == [item_id]
    with pytest.raises(UsageError, match="already; name an empty place"):
        export_job(job, f"s3://{s3_bucket}/to", "jsonl")


def test_an_unreachable_store_is_a_storage_error(job, tmp_path):
    away = job.model_copy(
        update={
            "storage": job.storage.model_validate(
                {"endpoint_url": "http://127.0.0.1:9", "timeout_s": 1}
            )
        }
    )
    with pytest.raises(StorageError):
        export_job(away, "s3://nowhere/to", "jsonl")


def test_places_of_the_jobs_own_and_filled_ones_are_refused(annotated, job, tmp_path):
    link = tmp_path / "link"
    link.symlink_to(annotated.input)
    for to, words in (
        (annotated.input, "lies in the job's input"),
        (annotated.input / "new", "lies in the job's input"),
        (link / "new", "lies in the job's input"),
        (annotated.output, "is the job's output"),
        (annotated.output / "captions" / "new", "lies in a table"),
        ("gs://bucket/x", "scheme 'gs'"),
    ):
        with pytest.raises(UsageError, match=words):
            export_job(job, str(to), "jsonl")
    (tmp_path / "filled").mkdir()
    (tmp_path / "filled" / "mine.txt").write_text("x")
    with pytest.raises(UsageError, match=r"mine\.txt already; name an empty place"):
        export_job(job, str(tmp_path / "filled"), "jsonl")
    assert export_job(job, str(annotated.output) + "-export", "jsonl").written == 4


def test_texts_that_are_none_and_jobs_without_rows_are_refused(annotated, job, tmp_path):
    to = str(tmp_path / "to")
    with pytest.raises(UsageError, match=r"'tags' gives no text; .*short, detailed"):
        export_job(job, to, "webdataset", text="tags")
    with pytest.raises(UsageError, match="'nonsense' is no task"):
        export_job(job, to, "webdataset", text="nonsense")
    with pytest.raises(UsageError, match="no caption task; name one by --text"):
        export_job(annotated.job(tasks=TASKS[2:]), to, "webdataset")
    with pytest.raises(UsageError, match="not with jsonl"):
        export_job(job, to, "jsonl", text="short")
    with pytest.raises(UsageError, match="run the job first"):
        export_job(annotated.job(output=str(tmp_path / "none")), to, "jsonl")
    assert not Path(to).exists()


def test_columns_of_one_name_are_refused(annotated):
    tasks = [SHORT, {"task": "tags", "name": "short_caption", "vocabulary": ["a", "b"]}]
    with pytest.raises(UsageError, match=r"'short_caption' is among another task's columns"):
        answer_columns(bind_tasks(annotated.job(tasks=tasks).tasks))
    own = [{"task": "tags", "name": "uris", "vocabulary": ["a", "b"]}]
    with pytest.raises(UsageError, match="the export's own columns"):
        answer_columns(bind_tasks(annotated.job(tasks=own).tasks))


def test_every_image_in_a_shard_is_what_its_name_says(job, tmp_path):
    report = export_job(job, str(tmp_path / "to"), "webdataset")
    for name, data in members_of(Path(report.files[0]).read_bytes()).items():
        if name.endswith((".png", ".jpg")):
            assert sniff(data).name == {"png": "png", "jpg": "jpeg"}[name.rpartition(".")[2]]
            Image.open(io.BytesIO(data)).verify()


def test_the_command_says_what_was_written_and_what_was_left_out(annotated, tmp_path):
    job_file = tmp_path / "job.yaml"
    places = {"input": str(annotated.input), "output": str(annotated.output)}
    job_file.write_text(json.dumps(places | {"model": "/nowhere", "tasks": TASKS}))
    command = [sys.executable, "-m", "jobs.cli", "export", str(job_file)]
    to = str(tmp_path / "to")
    options = ["--to", to, "--format", "webdataset", "--text", "detailed"]
    done = subprocess.run([*command, *options], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines() == [
        "Wrote 3 of 5 items, 1 files",
        f"  to {to}",
        "  1 items without a result row: left out",
        "  1 items without a text: left out",
    ]
    again = subprocess.run([*command, *options], capture_output=True, text=True, timeout=60)
    assert again.returncode == 2
    assert "00000.tar already; name an empty place" in again.stderr
    assert "Traceback" not in again.stderr
