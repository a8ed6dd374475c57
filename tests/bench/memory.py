"""``make bench-memory``: that memory stays flat however many images and videos there are.

Photographs of 12 MP, then videos of ten minutes, stream from S3 through a whole job. The
engine is the shipped fake one: it holds pixels as long as an engine would, and needs no
memory of its own.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from infra.demo.checkpoint.build import ensure_checkpoint
from infra.demo.s3_server import S3Server
from operators.base import EngineSpec
from operators.models.checkpoint import read_geometry
from pipeline.report import RunReport, Snapshot, StopSignal
from pipeline.run import run_job
from schemas.job import JobSpec
from tests.bench.collection import BUCKET, client, upload_copies
from tests.bench.films import film
from tests.bench.machine import machine
from tests.bench.memory_sampling import MemorySampler
from tests.bench.photographs import TWELVE_MP

ENGINE_LATENCY_S = 0.2
LIMIT_MIB = 2048
PUBLISHED_MAX_PIXELS = 1344 * 1344
PUBLISHED_FRAME_PIXELS = 448 * 448
FILMS = "films"
TEN_MINUTES_S = 600


class Teller:
    """An observer that tells on stderr how the run goes."""

    def note(self, message: str) -> None:
        """See `pipeline.report.Observer`."""
        print(message, file=sys.stderr)

    def update(self, snapshot: Snapshot) -> None:
        """See `pipeline.report.Observer`."""
        done = f"{snapshot.items_done} of {snapshot.items_total or '?'} items"
        print(f"{snapshot.elapsed_s:6.0f} s {snapshot.phase}: {done}", file=sys.stderr)


def main(arguments: list[str]) -> int:
    """Run the benchmark; prints one JSON object last on standard output."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.memory")
    parser.add_argument("--items", type=int, default=2000, help="photographs of 12 MP")
    parser.add_argument("--videos", type=int, default=1000, help="videos of ten minutes")
    chosen = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder, S3Server(Path(folder) / "s3") as server:
        os.environ.update(server.env())
        s3 = client(server.endpoint_url)
        s3.create_bucket(Bucket=BUCKET)
        print(f"drawing and uploading {chosen.items} photographs", file=sys.stderr)
        upload_copies(s3, TWELVE_MP, chosen.items)
        print(f"encoding and uploading {chosen.videos} videos", file=sys.stderr)
        upload_films(s3, Path(folder), chosen.videos)
        about = machine()
        parts = {
            name: _measured(server.endpoint_url, Path(folder), prefix, task, count)
            for name, prefix, task, count in (
                ("photographs", TWELVE_MP.name, "caption", chosen.items),
                ("videos", FILMS, "video_summary", chosen.videos),
            )
            if count
        }
    figures = {
        "peak_rss_mb": max(part["peak_rss_mb"]["max"] for part in parts.values()),
        "peak_object_store_mb": max(part["peak_object_store_mb"] for part in parts.values()),
        "rss_is": "resident less shared pages of the largest process, MiB",
        "under_2_gib": {
            name: part["peak_rss_mb"]["max"] + part["peak_object_store_mb"] < LIMIT_MIB
            for name, part in parts.items()
        },
    }
    print(json.dumps(figures | parts | about))
    return 0


def upload_films(s3: Any, folder: Path, count: int) -> None:
    """Put a film of ten minutes under `count` keys."""
    if not count:
        return
    film(folder / "film.mp4", TEN_MINUTES_S)
    s3.upload_file(str(folder / "film.mp4"), BUCKET, f"{FILMS}/00000.mp4")
    source = {"Bucket": BUCKET, "Key": f"{FILMS}/00000.mp4"}
    for number in range(1, count):
        s3.copy_object(Bucket=BUCKET, Key=f"{FILMS}/{number:05}.mp4", CopySource=source)


def _measured(
    endpoint_url: str, folder: Path, prefix: str, task: str, count: int
) -> dict[str, Any]:
    begun = time.monotonic()
    with MemorySampler() as sampler:
        report = _run(endpoint_url, folder, prefix, task)
    if (report.outcome, report.items_done) != ("done", count):
        raise RuntimeError(f"{count} items were to be annotated, but: {report}")
    return _figures(sampler, report) | {"wall_s": round(time.monotonic() - begun, 1)}


def _run(endpoint_url: str, folder: Path, prefix: str, task: str) -> RunReport:
    model = ensure_checkpoint(folder / "model")
    job = JobSpec.model_validate(
        {
            "name": "bench-memory",
            "input": f"s3://{BUCKET}/{prefix}/",
            "storage": {"endpoint_url": endpoint_url, "path_style": True},
            "model": str(model),
            "tasks": [task],
            "output": str(folder / f"{prefix}-annotations"),
            # Many are the same file: each is to go all the way.
            "duplicates": {"exact": "annotate"},
            # What the published model takes: the small one's images are tiny.
            "media": {
                "max_pixels": PUBLISHED_MAX_PIXELS,
                "max_frame_pixels": PUBLISHED_FRAME_PIXELS,
            },
        }
    )
    engine = EngineSpec(
        "fake", {"geometry": read_geometry(model), "latency_s": ENGINE_LATENCY_S}
    )
    return run_job(job, Teller(), StopSignal(), engine=engine)


def _figures(sampler: MemorySampler, report: RunReport) -> dict[str, object]:
    peaks = {role: round(mib, 1) for role, mib in sorted(sampler.peak_mib.items())}
    return {
        "peak_rss_mb": peaks | {"max": max(peaks.values())},
        "peak_object_store_mb": round(sampler.peak_object_store_mib, 1),
        "items": report.items_done,
        "items_per_s": report.items_per_s,
        "annotate_s": report.annotate_s,
        "samples": sampler.samples,
    }


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
