"""`tagline run` from a bucket to tables: real S3 server, real Ray, real engine."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import boto3
import psutil
import pyarrow as pa
import pytest
import yaml
from deltalake import DeltaTable, QueryBuilder

from pipeline.delta import storage_options
from schemas.job import StorageSpec
from schemas.tables import PROVENANCE_FIELDS
from tests.egress import watch
from tests.media import clips, pictures

NAMES = ["plain.jpg", "with space.png", "ünï#code.webp", "50%+more.gif", "deep/er/1x1.png"]
VOCABULARY = ["red", "green", "blue"]


def media() -> dict[str, bytes]:
    """A bucket's worth of files, two of them broken."""
    images = {
        name: pictures.encoded(pictures.quadrants(200 + 10 * i, 120), form)
        for i, (name, form) in enumerate(
            zip(NAMES, ["JPEG", "PNG", "WEBP", "GIF", "PNG"], strict=True)
        )
    }
    images["deep/er/1x1.png"] = pictures.encoded(pictures.quadrants(2, 2).resize((1, 1)), "PNG")
    images["clip.mp4"] = clips.make(clips.Clip(frames=24))
    images["text.jpg"] = b"this is no picture"
    images["bomb.png"] = pictures.png_bomb()
    images["notes.txt"] = b"not for us"
    return images


class Bucket:
    """A bucket of media, a job over it, and the command line."""

    def __init__(self, name: str, endpoint_url: str, folder: Path, model: Path) -> None:
        self.name, self.folder = name, folder
        self.storage = StorageSpec(endpoint_url=endpoint_url, path_style=True)
        self.client = boto3.client("s3", endpoint_url=endpoint_url)
        self.job = {
            "input": f"s3://{name}/in/",
            "storage": {"endpoint_url": endpoint_url, "path_style": True, "timeout_s": 20},
            "model": str(model),
            "tasks": [
                {"task": "caption", "max_chars": 30},
                {"task": "tags", "vocabulary": VOCABULARY, "max_tags": 2},
                {"task": "video_summary", "max_chars": 30, "max_moments": 2, "max_tags": 2},
            ],
            "media": {"video": {"max_frames": 4}},
            "output": f"s3://{name}/out",
            "failures": {"budget": 0.5},
            "resources": {"decode_workers": 1, "object_store_gib": 1},
        }

    def fill(self, files: dict[str, bytes]) -> None:
        for name, data in files.items():
            self.client.put_object(Bucket=self.name, Key=f"in/{name}", Body=data)

    def command(self, **changes) -> list[str]:
        path = self.folder / "job.yaml"
        path.write_text(yaml.safe_dump(self.job | changes))
        return [sys.executable, "-m", "jobs.cli", "run", str(path)]

    def run(self, environment: dict[str, str] | None = None, **changes):
        return subprocess.run(
            self.command(**changes),
            env=os.environ | (environment or {}),
            capture_output=True,
            text=True,
            timeout=280,
        )

    def rows(self, table: str) -> list[dict]:
        uri = f"s3://{self.name}/out/{table}"
        delta = DeltaTable(uri, storage_options=storage_options(uri, self.storage))
        found = QueryBuilder().register("t", delta).execute("select * from t").read_all()
        return pa.table(found).to_pylist()


@pytest.fixture
def bucket(s3_server, s3_bucket, tmp_path, checkpoint_26) -> Bucket:
    return Bucket(s3_bucket, s3_server.endpoint_url, tmp_path, checkpoint_26)


def test_a_bucket_becomes_tables_and_nothing_phones_home(bucket, tmp_path):
    bucket.fill(media())
    log = tmp_path / "egress.log"
    done = bucket.run(watch.environment(log))
    assert done.returncode == 0, done.stdout + done.stderr

    key = f"s3://{bucket.name}/in/"
    captions = {row["item_id"]: row for row in bucket.rows("captions")}
    assert set(captions) == {key + name for name in NAMES}
    for row in captions.values():
        assert 1 <= len(row["caption"]) <= 30
        assert all(row[f.name] is not None for f in PROVENANCE_FIELDS if not f.nullable)
        assert row["uris"] == [row["item_id"]]
    for row in bucket.rows("tags"):
        assert {tag["tag"] for tag in row["tags"]} <= set(VOCABULARY)
    [summary] = bucket.rows("video_summaries")
    assert summary["item_id"] == f"{key}clip.mp4"
    assert len(summary["frame_pts"]) == 4
    for moment in summary["key_moments"]:
        assert set(moment["frame_pts"]) <= set(summary["frame_pts"])
        assert moment["start_s"] <= moment["end_s"] <= summary["duration_s"]
    assert {(row["item_id"], row["code"]) for row in bucket.rows("failures")} == {
        (key + "text.jpg", "not_media"),
        (key + "bomb.png", "too_large"),
    }

    # What a user reads: our own lines and nobody else's.
    first, *rest = done.stdout.splitlines()
    assert first.startswith("Log: ")
    assert Path(first.removeprefix("Log: ")).stat().st_size > 0
    assert not [line for line in rest if "WARNING" in line or "INFO" in line or "ray." in line]
    assert "failed items              2" in done.stdout
    assert done.stderr == ""

    # Everything that was reached is on this machine; that anything was noted shows that
    # the watch was on.
    assert watch.reached(log)
    assert watch.outside(log) == set()

    again = bucket.run()
    assert again.returncode == 0
    assert "Nothing new to do" in again.stdout


def test_the_egress_watch_sees_what_it_must(tmp_path):
    log = tmp_path / "egress.log"
    code = "import urllib.request\nurllib.request.urlopen('http://example.invalid')"
    subprocess.run([sys.executable, "-c", code], env=os.environ | watch.environment(log))
    assert "example.invalid" in watch.outside(log)


def test_a_terminated_run_leaves_in_time_and_leaves_nobody_behind(bucket):
    bucket.fill({"a.jpg": media()["plain.jpg"]})
    run = subprocess.Popen(
        bucket.command(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert run.stdout is not None
    lines = []
    for line in run.stdout:
        lines.append(line)
        if "loading the model" in line:
            break
    children = psutil.Process(run.pid).children(recursive=True)
    assert children
    run.send_signal(signal.SIGTERM)
    rest, errors = run.communicate(timeout=60)
    assert run.returncode == 143, "".join(lines) + rest + errors
    assert "Stopped. What was done is kept; run the same job again to go on." in rest
    deadline = time.monotonic() + 15
    while any(child.is_running() for child in children) and time.monotonic() < deadline:
        time.sleep(0.2)
    assert [child for child in children if child.is_running()] == []


def test_an_empty_prefix_is_nothing_to_do(bucket):
    bucket.fill({"notes.txt": b"x"})
    done = bucket.run()
    assert done.returncode == 0
    assert "no images or videos; 1 file of other kinds passed over" in done.stdout


@pytest.mark.parametrize(
    ("changes", "code", "says"),
    [
        ({"input": "s3://no-such-bucket-anywhere/in/"}, 2, "no-such-bucket-anywhere"),
        ({"input": "s3://{bucket}/missing/"}, 2, "/missing"),
        ({"output": "s3://no-such-bucket-anywhere/out"}, 2, "no-such-bucket-anywhere/out"),
        ({"output": "/proc/nowhere/out"}, 2, "/proc/nowhere/out"),
        (
            {"storage": {"endpoint_url": "http://127.0.0.1:9", "timeout_s": 2}},
            3,
            "127.0.0.1:9",
        ),
    ],
    ids=["no bucket", "no prefix", "no output bucket", "output not writable", "no server"],
)
def test_places_that_are_not_there(bucket, changes, code, says):
    bucket.fill({"a.jpg": b"x"})
    changes = {
        key: value.format(bucket=bucket.name) if isinstance(value, str) else value
        for key, value in changes.items()
    }
    done = bucket.run(**changes)
    assert done.returncode == code, done.stdout + done.stderr
    assert says in done.stderr
    assert "Traceback" not in done.stderr
