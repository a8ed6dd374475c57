"""``make bench-memory``: that memory stays flat however many images there are.

Photographs of 12 MP stream from S3 through a whole job. The engine is the shipped fake
one: it holds pixels as long as an engine would, and needs no memory of its own.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from pathlib import Path

from infra.demo.checkpoint.build import ensure_checkpoint
from infra.demo.s3_server import S3Server
from operators.base import EngineSpec
from operators.models.checkpoint import read_geometry
from pipeline.report import RunReport, Snapshot, StopSignal
from pipeline.run import run_job
from schemas.job import JobSpec
from tests.bench.collection import BUCKET, client, upload_copies
from tests.bench.machine import machine
from tests.bench.memory_sampling import MemorySampler
from tests.bench.photographs import TWELVE_MP

ENGINE_LATENCY_S = 0.2
LIMIT_MIB = 4096
PUBLISHED_MAX_PIXELS = 1344 * 1344


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
    items = parser.parse_args(arguments).items
    with tempfile.TemporaryDirectory() as folder, S3Server(Path(folder) / "s3") as server:
        os.environ.update(server.env())
        s3 = client(server.endpoint_url)
        s3.create_bucket(Bucket=BUCKET)
        print(f"drawing and uploading {items} photographs", file=sys.stderr)
        file_bytes = upload_copies(s3, TWELVE_MP, items)
        about = machine() | {"bytes_per_file": file_bytes}
        begun = time.monotonic()
        with MemorySampler() as sampler:
            report = _run(server.endpoint_url, Path(folder))
        wall_s = time.monotonic() - begun
    if (report.outcome, report.items_done) != ("done", items):
        raise RuntimeError(f"{items} items were to be annotated, but: {report}")
    print(json.dumps(_figures(sampler, report) | {"wall_s": wall_s} | about))
    return 0


def _run(endpoint_url: str, folder: Path) -> RunReport:
    model = ensure_checkpoint(folder / "model")
    job = JobSpec.model_validate(
        {
            "name": "bench-memory",
            "input": f"s3://{BUCKET}/{TWELVE_MP.name}/",
            "storage": {"endpoint_url": endpoint_url, "path_style": True},
            "model": str(model),
            "tasks": ["caption"],
            "output": str(folder / "annotations"),
            # What the published model takes: the small one's images are tiny.
            "media": {"max_pixels": PUBLISHED_MAX_PIXELS},
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
        "rss_is": "resident less shared pages of the largest process of each role, MiB",
        "under_4_gib": max(peaks.values()) < LIMIT_MIB,
        "peak_object_store_mb": round(sampler.peak_object_store_mib, 1),
        "items": report.items_done,
        "items_per_s": report.items_per_s,
        "annotate_s": report.annotate_s,
        "samples": sampler.samples,
    }


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
