"""`tagline run` from a bucket to tables: real S3 server, real Ray, real engine."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import av
import boto3
import numpy as np
import psutil
import pytest
import yaml
from deltalake import DeltaTable

from operators.fetch import WHOLE_BYTES
from pipeline.delta import storage_options
from schemas.job import StorageSpec
from tests.egress import watch
from tests.media import pictures


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
                {"task": "tags", "vocabulary": ["red", "green"], "max_tags": 2},
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

    def run(self, **changes):
        return subprocess.run(
            self.command(**changes), capture_output=True, text=True, timeout=280
        )


@pytest.fixture
def bucket(s3_server, s3_bucket, tmp_path, checkpoint_26) -> Bucket:
    return Bucket(s3_bucket, s3_server.endpoint_url, tmp_path, checkpoint_26)


def test_the_egress_watch_sees_what_it_must(tmp_path):
    log = tmp_path / "egress.log"
    code = "import urllib.request\nurllib.request.urlopen('http://example.invalid')"
    subprocess.run([sys.executable, "-c", code], env=os.environ | watch.environment(log))
    assert "example.invalid" in watch.outside(log)


def test_a_terminated_run_leaves_in_time_and_leaves_nobody_behind(bucket):
    bucket.fill({"a.jpg": pictures.encoded(pictures.quadrants(200, 120), "JPEG")})
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


def noisy_video(path: Path, frames: int = 120) -> bytes:
    """Twenty megabytes of noise, 8 frames to a group, its index behind it."""
    rng = np.random.default_rng(1)
    with av.open(str(path), "w", format="mp4") as made:
        options = {"qp": "4", "preset": "ultrafast", "x264-params": "scenecut=0"}
        stream = made.add_stream("libx264", rate=8, options=options)
        stream.width, stream.height, stream.pix_fmt = 448, 336, "yuv420p"
        stream.codec_context.gop_size = 8
        for number in range(frames):
            pixels = rng.integers(0, 256, (336, 448, 3), dtype=np.uint8)
            frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
            frame.pts = number
            made.mux(stream.encode(frame))
        made.mux(stream.encode(None))
    return path.read_bytes()


def test_of_a_large_video_little_is_fetched_and_its_row_says_what_was_taken(bucket, tmp_path):
    data = noisy_video(tmp_path / "noise.mp4")
    assert len(data) > WHOLE_BYTES
    bucket.fill({"noise.mp4": data})
    video = {"policy": "times", "times_s": [2.9, 7.25, 14.1], "snap_s": 0.2}
    done = bucket.run(media={"video": video})
    assert done.returncode == 0, done.stdout + done.stderr
    uri = f"s3://{bucket.name}/out/video_summaries"
    table = DeltaTable(uri, storage_options=storage_options(uri, bucket.storage))
    [row] = table.to_pyarrow_table().to_pylist()
    # Every eighth frame is a keyframe, at each whole second; the second moment has none near.
    assert row["requested_pts"] == [2.9, 7.25, 14.1]
    assert row["frame_pts"] == [3.0, 7.25, 14.0]
    [fetched] = {int(mb) for mb in re.findall(r"(\d+) MB fetched", done.stdout)} - {0}
    assert fetched < len(data) / 1e6 / 3


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
