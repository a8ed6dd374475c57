"""``make bench-long-video``: that memory stays flat however long a video is.

Videos of ten minutes and of three hours are drawn, encoded, cut into windows and summarised
through a whole job. The engine is the shipped fake one, which needs no memory of its own.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from pathlib import Path

from deltalake import DeltaTable

from infra.demo.checkpoint.build import ensure_checkpoint
from operators.base import EngineSpec
from operators.models.checkpoint import read_geometry
from pipeline.report import StopSignal
from pipeline.run import run_job
from schemas.job import JobSpec
from schemas.uris import join_uri
from tests.bench.films import film
from tests.bench.machine import machine
from tests.bench.memory import PUBLISHED_FRAME_PIXELS, Teller
from tests.bench.memory_sampling import MemorySampler

TEN_MINUTES_S, THREE_HOURS_S = 600, 10_800
MOST_WINDOWS = 576
ENGINE_LATENCY_S = 0.05


def main(arguments: list[str]) -> int:
    """Run the benchmark; prints one JSON object last on standard output."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.long_video")
    parser.add_argument(
        "--seconds", type=int, nargs="+", default=[TEN_MINUTES_S, THREE_HOURS_S]
    )
    runs = [_measured(seconds) for seconds in parser.parse_args(arguments).seconds]
    first, last = runs[0]["peak_rss_mb"], runs[-1]["peak_rss_mb"]
    print(
        json.dumps(
            {
                "peak_rss_mb": max(last.values()),
                "peak_object_store_mb": max(run["peak_object_store_mb"] for run in runs),
                "growth": {role: round(last[role] / first[role], 2) for role in last},
                "rss_is": "resident less shared pages of the largest process of each role, MiB",
                "runs": runs,
            }
            | machine()
        )
    )
    return 0


def _measured(seconds: int) -> dict:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "in").mkdir()
        print(f"encoding a video of {seconds} s", file=sys.stderr)
        film(folder / "in" / "long.mp4", seconds)
        model = ensure_checkpoint(folder / "model")
        job = JobSpec.model_validate(
            {
                "name": "bench-long-video",
                "input": str(folder / "in"),
                "model": str(model),
                "tasks": ["video_summary", "video_tags"],
                "output": str(folder / "out"),
                "media": {
                    "max_frame_pixels": PUBLISHED_FRAME_PIXELS,
                    "video": {"policy": "fps", "fps": 1, "max_windows": MOST_WINDOWS},
                },
            }
        )
        engine = EngineSpec(
            "fake", {"geometry": read_geometry(model), "latency_s": ENGINE_LATENCY_S}
        )
        begun = time.monotonic()
        with MemorySampler() as sampler:
            report = run_job(job, Teller(), StopSignal(), engine=engine)
        if (report.outcome, report.items_done) != ("done", 1):
            raise RuntimeError(f"one video was to be annotated, but: {report}")
        table = DeltaTable(join_uri(job.output.uri, "video_windows")).to_pyarrow_table()
        [found] = table.to_pylist()
        return {
            "seconds": seconds,
            "windows": len(found["windows"]),
            "frames": len(found["frame_pts"]),
            "wall_s": round(time.monotonic() - begun, 1),
            "peak_rss_mb": {r: round(mib, 1) for r, mib in sorted(sampler.peak_mib.items())},
            "peak_object_store_mb": round(sampler.peak_object_store_mib, 1),
        }


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
