"""``make bench-plan``: time and memory of planning a manifest of millions of rows.

Each size is planned twice: when the output is empty, and when it holds all rows but one of a
hundred. Each plan is made in a process of its own, so that one's memory is not the other's.
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
from deltalake import write_deltalake

from operators.sources.registry import open_source
from operators.tasks.registry import BoundTask, bind_task
from pipeline.owed import OwedTask
from pipeline.plan import make_plan
from schemas.inputs import InputSpec
from schemas.job import DuplicateSpec, StorageSpec, TaskSpec
from tests.bench.machine import machine

ROWS_PER_FILE = 250_000
MILLION = 1_000_000
NEW_OF = 100
"""One row of so many is new when all others are current."""

FINGERPRINT = "f"
PARTS_PER_COMMIT = 50
_KNOWN = ["item_id", "item_version", "content_key"]


def main(arguments: list[str]) -> int:
    """Run the benchmark; prints one JSON object last on standard output."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.plan")
    parser.add_argument("--rows", type=int, nargs="+", default=[MILLION, 4 * MILLION])
    parser.add_argument("--only", type=Path, help=argparse.SUPPRESS)
    chosen = parser.parse_args(arguments)
    if chosen.only:
        print(json.dumps(plan_once(chosen.only)))
        return 0
    sizes = [one for rows in chosen.rows for one in _measured(rows)]
    told: dict[str, float] = {"peak_rss_mb": max(one["peak_rss_mb"] for one in sizes)}
    for what, of_size in (("new", sizes[::2]), ("current", sizes[1::2])):
        per_million = [one["seconds"] / one["listed"] * MILLION for one in of_size]
        told[f"{what}_seconds_per_million"] = per_million[-1]
        told[f"{what}_growth_per_million"] = per_million[-1] / per_million[0]
    print(json.dumps(told | {"sizes": sizes} | machine()))
    return 0


def _measured(rows: int) -> list[dict[str, float]]:
    with tempfile.TemporaryDirectory() as folder:
        write_manifest(Path(folder) / "manifest", rows)
        first = _in_its_own_process(folder)
        write_current_rows(Path(folder) / "out")
        return [first, _in_its_own_process(folder)]


def _in_its_own_process(folder: str) -> dict[str, float]:
    command = [sys.executable, "-m", "tests.bench.plan", "--only", folder]
    ended = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    found: dict[str, float] = json.loads(ended.stdout.strip().splitlines()[-1])
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


def write_current_rows(output: Path) -> None:
    """What a run would have written of most items of a plan below an output; the plan goes."""
    bound = _task()
    parts = sorted(output.rglob("part-*.parquet"))
    for start in range(0, len(parts), PARTS_PER_COMMIT):
        some = parts[start : start + PARTS_PER_COMMIT]
        items = pa.concat_tables(pq.read_table(part, columns=_KNOWN) for part in some)
        items = items.take([n for n in range(len(items)) if n % NEW_OF])
        rows = _rows(items, bound)
        write_deltalake(str(output / bound.table), rows, mode="append")
        for part in some:
            part.unlink()


def _rows(items: pa.Table, bound: BoundTask) -> pa.Table:
    """Rows of the task's table, with nothing in them that planning does not look at."""
    told = {name: items.column(name) for name in _KNOWN}
    told["content_digest"] = items.column("item_id")
    for name, text in (("task", bound.name), ("fingerprint", FINGERPRINT)):
        told[name] = pa.repeat(pa.scalar(text), len(items))
    schema = pa.schema([field.with_nullable(True) for field in bound.table_schema()])
    columns = [
        told[field.name].cast(field.type)
        if field.name in told
        else pa.nulls(len(items), field.type)
        for field in schema
    ]
    return pa.table(columns, schema=schema)


def _task() -> BoundTask:
    return bind_task(TaskSpec(task="compare", name="compare", options={"context": ["title"]}))


def plan_once(folder: Path) -> dict[str, float]:
    """Plan the manifest below a folder in this process."""
    manifest = {
        "uris": str(folder / "manifest"),
        "media": "photos",
        "base": "s3://shop/photos/",
        "carry": "price",
    }
    spec = InputSpec.model_validate({"manifest": manifest})
    begun = time.monotonic()
    plan = make_plan(
        open_source(spec, StorageSpec(), ["title"]),
        [OwedTask(_task(), {"images": FINGERPRINT})],
        str(folder / "out"),
        StorageSpec(),
        run_id="bench",
        attempts=3,
        duplicates=DuplicateSpec(),
    )
    return {
        "seconds": time.monotonic() - begun,
        "listed": plan.counts.listed,
        "planned": plan.counts.planned,
        "peak_rss_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
