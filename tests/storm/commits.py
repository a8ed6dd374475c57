"""Many processes commit to one table while replies get lost; then it is counted."""

from __future__ import annotations

import multiprocessing
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa
from deltalake import DeltaTable, Schema

from pipeline.delta import storage_options
from pipeline.output_table import OutputTable
from schemas.job import StorageSpec
from tests.storm.faults import Fault, Schedule
from tests.storm.oracle import Found, read_table, s3_client
from tests.storm.proxy import StormProxy

SCHEMA = pa.schema(
    [
        pa.field("item_id", pa.string(), nullable=False),
        pa.field("task", pa.string(), nullable=False),
        pa.field("value", pa.int64(), nullable=False),
    ]
)
TABLE = "storm"
LOST_SHARE = 0.1


@dataclass(frozen=True)
class Writer:
    """One process that commits.

    Attributes:
        number: Of the process, and part of its run's id and of its rows' ids.
        commits: How many it makes, a row each.
        replace_every: Each so many commits, the row of the one before is replaced, too.
        endpoint_url: The store, or what is before it.
        uri: The table.
    """

    number: int
    commits: int
    replace_every: int
    endpoint_url: str
    uri: str
    timeout_s: float


@dataclass
class Journal:
    """What a writer was told: kept outside the table."""

    acknowledged: dict[str, int] = field(default_factory=dict)
    marks: int = 0
    slowest_s: float = 0.0
    error: str | None = None


def write(writer: Writer) -> Journal:
    """Commit one row after the other; ends at the first one that is refused."""
    storage = StorageSpec(
        endpoint_url=writer.endpoint_url, path_style=True, timeout_s=writer.timeout_s
    )
    run_id = f"writer-{writer.number}"
    journal = Journal()
    try:
        table = OutputTable(writer.uri, SCHEMA, storage, run_id)
        table.ensure()
        for number in range(writer.commits):
            begun = time.monotonic()
            rows = {f"{run_id}-{number:04}": number}
            if writer.replace_every and number % writer.replace_every == 1:
                rows[f"{run_id}-{number - 1:04}"] = -number
                table.upsert(_rows(rows))
            else:
                table.append(_rows(rows))
            journal.acknowledged |= rows
            journal.marks += 1
            journal.slowest_s = max(journal.slowest_s, time.monotonic() - begun)
    except Exception as error:
        journal.error = f"{type(error).__name__}: {error}"
    return journal


def _rows(values: dict[str, int]) -> pa.Table:
    columns = {
        "item_id": list(values),
        "task": ["storm"] * len(values),
        "value": list(values.values()),
    }
    return pa.table(columns, schema=SCHEMA)


def storm_of_commits(
    upstream: int,
    bucket: str,
    *,
    processes: int,
    commits: int,
    seed: int,
    replace_every: int = 0,
    checkpoint_every: int = 0,
    timeout_s: float = 120.0,
) -> dict[str, Any]:
    """Let processes commit through a proxy that drops replies, and count what came of it.

    Args:
        upstream: Port of the S3 server on this machine.
        bucket: A bucket there.
        processes: How many write at once.
        commits: By each.
        seed: Of the faults.
        replace_every: See `Writer`.
        checkpoint_every: Commits between two checkpoints of the log, for which the table is
            made beforehand; 0 leaves both to the writers.
        timeout_s: See `StorageSpec`.
    """
    if checkpoint_every:
        _make_table(f"http://127.0.0.1:{upstream}", bucket, checkpoint_every)
    begun = time.monotonic()
    spawn = multiprocessing.get_context("spawn")
    schedule = Schedule(seed, {Fault.LOST_REPLY: LOST_SHARE})
    with (
        StormProxy(upstream, schedule) as proxy,
        ProcessPoolExecutor(processes, mp_context=spawn) as pool,
    ):
        uri = f"s3://{bucket}/{TABLE}"
        writers = [
            Writer(number, commits, replace_every, proxy.endpoint_url, uri, timeout_s)
            for number in range(processes)
        ]
        journals = list(pool.map(write, writers))
    wall_s = time.monotonic() - begun
    found = read_table(s3_client(f"http://127.0.0.1:{upstream}"), bucket, TABLE, "value")
    return _verdict(journals, found) | {
        "replies_dropped": schedule.counts[Fault.LOST_REPLY],
        "replies_dropped_to_commits": schedule.commits_unanswered,
        "requests": schedule.requests,
        "wall_s": round(wall_s, 1),
    }


def _make_table(endpoint_url: str, bucket: str, checkpoint_every: int) -> None:
    """With few entries after its last checkpoint a log is read in a few requests."""
    uri = f"s3://{bucket}/{TABLE}"
    storage = StorageSpec(endpoint_url=endpoint_url, path_style=True)
    DeltaTable.create(
        uri,
        schema=Schema.from_arrow(SCHEMA),
        configuration={"delta.checkpointInterval": str(checkpoint_every)},
        storage_options=storage_options(uri, storage),
    )


def _verdict(journals: list[Journal], found: Found) -> dict[str, Any]:
    acknowledged: dict[str, int] = {}
    for journal in journals:
        acknowledged |= journal.acknowledged
    lost = [key for key, value in acknowledged.items() if found.values.get(key) != value]
    return {
        "commits": sum(journal.marks for journal in journals),
        "lost": len(lost),
        "doubled": sum(count - 1 for count in (found.rows + found.marks).values()),
        "unacknowledged": len(found.rows.keys() - acknowledged.keys()),
        "log_has_gaps": found.has_gaps,
        "errors": [journal.error for journal in journals if journal.error],
        "slowest_commit_s": round(max(journal.slowest_s for journal in journals), 2),
    }
