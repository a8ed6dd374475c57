"""Where a harness works: a folder, an S3 server with pictures, a small disk for Ray."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Collection
from pathlib import Path
from typing import Any

import boto3
import yaml
from botocore.config import Config

from infra.demo.checkpoint.trained import MODEL
from infra.demo.s3_server import REGION, S3Server
from tests.chaos.delta_log import Files
from tests.chaos.oracle import FAILURES
from tests.chaos.pictures import Pictures

BUCKET = "chaos"
INPUT = f"s3://{BUCKET}/in/"
DISK_MIB = 128
COMMIT_EVERY_S = 2


class Place:
    """Made anew for each harness, and of use to nobody after it.

    Args:
        folder: For everything that is written. Its path must be short: names of sockets lie
            below it.
        pictures: The items.
        small_disk: Whether Ray gets a disk of its own; see `own_mounts`.
    """

    def __init__(self, folder: Path, pictures: Pictures, *, small_disk: bool) -> None:
        self.folder = folder
        self.pictures = pictures
        self.server = S3Server(folder / "s3", persist=True)
        self.ray = folder / "ray"
        self._small_disk = small_disk
        self._client: Any = None

    def open(self) -> None:
        """Start the server and fill it; mount the disk."""
        self.ray.mkdir()
        if self._small_disk:
            options = ["-t", "tmpfs", "-o", f"size={DISK_MIB}m", "tagline-chaos"]
            subprocess.run(["mount", *options, str(self.ray)], check=True)
        os.environ.update(self.server.env())
        self.server.start()
        self._client = boto3.client(
            "s3",
            endpoint_url=self.server.endpoint_url,
            region_name=REGION,
            config=Config(s3={"addressing_style": "path"}, retries={"total_max_attempts": 5}),
        )
        self._client.create_bucket(Bucket=BUCKET)
        for name, data in self.pictures.files().items():
            self._client.put_object(Bucket=BUCKET, Key=f"in/{name}", Body=data)

    def close(self) -> None:
        """Stop the server, give the disk back."""
        self.server.stop()
        if self._small_disk and os.path.ismount(self.ray):
            subprocess.run(["umount", "--lazy", str(self.ray)], check=False)

    def job_file(self, round_number: int, *, real: bool) -> Path:
        """The job of one round, which has an output of its own."""
        job = {
            "name": "chaos",
            "input": INPUT,
            "storage": {
                "endpoint_url": self.server.endpoint_url,
                "path_style": True,
                "timeout_s": 60,
            },
            "model": str(MODEL),
            "media": {"max_pixels": self.pictures.max_pixels},
            "tasks": self.pictures.tasks,
            "output": {
                "uri": f"s3://{BUCKET}/out-{round_number}",
                "commit_every_s": COMMIT_EVERY_S,
            },
            "failures": {"budget": 1.0, "attempts": 10},
            "resources": {
                "decode_workers": 1 if real else 2,
                "requests_in_flight": 16,
                # So small that decoded pictures wait for room.
                "object_store_gib": 0.1,
            },
        }
        path = self.folder / f"job-{round_number}.yaml"
        path.write_text(yaml.safe_dump(job))
        return path

    def output(self, round_number: int, tables: Collection[str]) -> dict[str, Files]:
        """The tables of a round's output as they lie in the bucket."""
        return {
            name: self._below(f"out-{round_number}/{name}/") for name in (*tables, FAILURES)
        }

    def _below(self, prefix: str) -> Files:
        pages = self._client.get_paginator("list_objects_v2").paginate(
            Bucket=BUCKET, Prefix=prefix
        )
        keys = [entry["Key"] for page in pages for entry in page.get("Contents", [])]
        return {
            key[len(prefix) :]: self._client.get_object(Bucket=BUCKET, Key=key)["Body"].read()
            for key in keys
        }

    def take_store_away(self, outage_s: float) -> None:
        """Kill the server; start it again after a while, with its data, on its port."""
        self.server.kill()
        time.sleep(outage_s)
        self.server.start()

    def fill_disk(self, outage_s: float) -> int:
        """Fill Ray's disk for a while; returns the bytes that went in."""
        filler = self.ray / "filler"
        written = 0
        try:
            with open(filler, "wb", buffering=0) as file:
                while True:
                    written += file.write(bytes(1 << 16))
        except OSError:
            time.sleep(outage_s)
        finally:
            filler.unlink(missing_ok=True)
        return written

    @property
    def spills(self) -> int:
        """Bytes that Ray has on its disk as spilled objects."""
        folders = self.ray.glob("ray/session_*/ray_spilled_objects*")
        return sum(f.stat().st_size for at in folders for f in at.rglob("*") if f.is_file())
