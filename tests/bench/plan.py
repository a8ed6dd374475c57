"""``make bench-plan``: time and memory of planning a manifest of millions of rows.

Each size is planned in a process of its own, so that one's memory is not the other's.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from operators.sources.registry import open_source
from operators.tasks.registry import bind_task
from pipeline.owed import OwedTask
from pipeline.plan import make_plan
from schemas.inputs import InputSpec
from schemas.job import StorageSpec, TaskSpec
from tests.bench.machine import machine

ROWS_PER_FILE = 250_000
MILLION = 1_000_000


def main(arguments: list[str]) -> int:
    """Run the benchmark; prints one JSON object last on standard output."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.plan")
    parser.add_argument("--rows", type=int, nargs="+", default=[MILLION, 4 * MILLION])
    parser.add_argument("--only", type=Path, help=argparse.SUPPRESS)
    chosen = parser.parse_args(arguments)
    if chosen.only:
        print(json.dumps(plan_once(chosen.only)))
        return 0
    sizes = [_measured(rows) for rows in chosen.rows]
    per_million = [one["seconds"] / one["rows"] * MILLION for one in sizes]
    print(
        json.dumps(
            {
                "seconds_per_million": per_million[-1],
                "growth_per_million": per_million[-1] / per_million[0],
                "peak_rss_mb": max(one["peak_rss_mb"] for one in sizes),
                "sizes": sizes,
            }
            | machine()
        )
    )
    return 0


def _measured(rows: int) -> dict[str, float]:
    with tempfile.TemporaryDirectory() as folder:
        write_manifest(Path(folder) / "manifest", rows)
        command = [sys.executable, "-m", "tests.bench.plan", "--only", folder]
        ended = subprocess.run(command, capture_output=True, text=True, check=True)
        found = json.loads(ended.stdout.strip().splitlines()[-1]) | {"rows": rows}
    print(found, file=sys.stderr, flush=True)
    return found


def write_manifest(folder: Path, rows: int) -> None:
    """Listings with an id, two photographs, a title and a price."""
    folder.mkdir(parents=True)
    for start in range(0, rows, ROWS_PER_FILE):
        numbers = range(start, min(start + ROWS_PER_FILE, rows))
        table = pa.table(
            {
                "id": [f"listing-{n:010d}" for n in numbers],
                "photos": [[f"{n:010d}/a.jpg", f"{n:010d}/b.jpg"] for n in numbers],
                "title": [f"A thing of number {n}, as good as new" for n in numbers],
                "price": [n % 997 for n in numbers],
            }
        )
        pq.write_table(table, folder / f"part-{start:010d}.parquet")


def plan_once(folder: Path) -> dict[str, float]:
    """Plan the manifest below a folder in this process."""
    manifest = {
        "uris": str(folder / "manifest"),
        "media": "photos",
        "base": "s3://shop/photos/",
        "carry": "price",
    }
    spec = InputSpec.model_validate({"manifest": manifest})
    task = bind_task(TaskSpec(task="compare", name="compare", options={"context": ["title"]}))
    begun = time.monotonic()
    plan = make_plan(
        open_source(spec, StorageSpec(), ["title"]),
        [OwedTask(task, {"images": "f"})],
        str(folder / "out"),
        StorageSpec(),
        run_id="bench",
        attempts=3,
    )
    return {
        "seconds": time.monotonic() - begun,
        "planned": plan.counts.planned,
        "peak_rss_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
