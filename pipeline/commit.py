"""Collect annotated rows and commit them to the output tables along the way."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa

from operators.tasks.registry import BoundTask
from pipeline.lease import Lease
from pipeline.output_table import OutputTable
from schemas.failure import RETRYABLE, FailureCode
from schemas.job import OutputSpec, StorageSpec
from schemas.tables import FAILURES_SCHEMA, FAILURES_TABLE
from schemas.uris import join_uri


@dataclass(frozen=True)
class RowOrigin:
    """What all rows of a run have in common."""

    run_id: str
    model: str
    model_revision: str | None


@dataclass
class SinkCounts:
    """What a run has taken in so far."""

    rows: Counter[str] = field(default_factory=Counter)
    failures: Counter[str] = field(default_factory=Counter)
    image_tokens: int = 0
    prompt_tokens: int = 0
    output_tokens: int = 0


class ResultSink:
    """Buffers annotated rows and commits them by time and number.

    Used by one thread. A row is in a table once the `flush` after its `add` returned.

    Args:
        output: Where, and how often to commit.
        storage: How the store is reached.
        tasks: The job's tasks.
        origin: The run's marks.
        lease: Under which it writes.
        clock: Monotonic seconds.
    """

    def __init__(
        self,
        output: OutputSpec,
        storage: StorageSpec,
        tasks: Sequence[BoundTask],
        origin: RowOrigin,
        lease: Lease | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._output = output
        self._storage = storage
        self._origin = origin
        self._clock = clock
        self._tasks = {bound.name: bound for bound in tasks}
        self.results = result_tables(output.uri, storage, tasks, origin.run_id, lease)
        self.failures = failures_table(output.uri, storage, origin.run_id, lease)
        self.counts = SinkCounts()
        self._buffers: dict[str, _Buffer] = {name: _Buffer() for name in self.results}
        self._failed: list[dict[str, Any]] = []
        self._failed_before = False
        self._resolved: list[dict[str, str]] = []
        self._last_flush = clock()

    def open(self) -> None:
        """Create what tables are missing.

        Raises:
            UsageError: If the output cannot be written, or holds other tables.
            StorageError: If the store cannot be reached.
        """
        for table in (*self.results.values(), self.failures):
            table.ensure()

    def add(self, annotated: pa.Table) -> None:
        """Take rows of `ANNOTATED_SCHEMA`; commit if it is time."""
        for row in annotated.to_pylist():
            if row["failure"] is None:
                self._add_result(row)
            else:
                self._add_failure(row)
        self.flush_if_due()

    def _add_result(self, row: dict[str, Any]) -> None:
        bound = self._tasks[row["task"]]
        self._buffers[bound.table].add(self._result_row(row), replaces=row["replaces"])
        if row["failed_before"]:
            self._resolved.append({"item_id": row["item_id"], "task": row["task"]})
        self.counts.rows[bound.table] += 1
        for name in ("image_tokens", "prompt_tokens", "output_tokens"):
            setattr(self.counts, name, getattr(self.counts, name) + row[name])

    def _add_failure(self, row: dict[str, Any]) -> None:
        self._failed.append(self._failure_row(row))
        self._failed_before |= row["failed_before"]
        self.counts.failures[row["failure"]["code"]] += 1

    def flush_if_due(self) -> bool:
        """Commit if the time or the number of rows says so; returns whether it did."""
        waited = self._clock() - self._last_flush
        if (
            waited < self._output.commit_every_s
            and self._pending < self._output.commit_every_rows
        ):
            return False
        self.flush()
        return True

    @property
    def _pending(self) -> int:
        return len(self._failed) + sum(len(buffer.rows) for buffer in self._buffers.values())

    def flush(self) -> None:
        """Commit everything taken in so far. Raises `StorageError` if that fails.

        Results come before failures: after a crash in between, an item has its result and
        a failure that the next plan removes, never neither.
        """
        for name, buffer in self._buffers.items():
            buffer.commit(self.results[name])
        if self._failed:
            rows = pa.Table.from_pylist(self._failed, schema=self.failures.schema)
            if self._failed_before:
                self.failures.upsert(rows, keep_first_failure)
            else:
                self.failures.append(rows)
            self._failed.clear()
            self._failed_before = False
        if self._resolved:
            self.failures.remove(pa.Table.from_pylist(self._resolved))
            self._resolved.clear()
        self._last_flush = self._clock()

    def _result_row(self, row: dict[str, Any]) -> dict[str, Any]:
        return {
            **{name: row[name] for name in _CARRIED_RESULT},
            **json.loads(row["answer"]),
            "model": self._origin.model,
            "model_revision": self._origin.model_revision,
            "run_id": self._origin.run_id,
            "created_at": datetime.now(UTC),
            "copy_distance": None if row["copied_from"] is None else row["copy_distance"] or 0,
            "gone_at": None,
            "locked": None,
        }

    def _failure_row(self, row: dict[str, Any]) -> dict[str, Any]:
        return {
            **{name: row[name] for name in _CARRIED_FAILURE},
            **row["failure"],
            "retryable": FailureCode(row["failure"]["code"]) in RETRYABLE,
            "attempts": row["attempt"],
            "run_id": self._origin.run_id,
            "first_failed_at": (now := datetime.now(UTC)),
            "failed_at": now,
        }


def keep_first_failure(rows: pa.Table, old: pa.Table) -> pa.Table:
    """New failures with the time at which the same version of their item failed first.

    Args:
        rows: Of `FAILURES_SCHEMA`.
        old: The rows that they replace.
    """
    first = {
        _same_try(row): row["first_failed_at"] or row["failed_at"] for row in old.to_pylist()
    }
    kept = [
        row | {"first_failed_at": first.get(_same_try(row), row["first_failed_at"])}
        for row in rows.to_pylist()
    ]
    return pa.Table.from_pylist(kept, schema=rows.schema)


def _same_try(row: dict[str, Any]) -> tuple[str, ...]:
    return (row["item_id"], row["task"], row["item_version"], row["fingerprint"])


_CARRIED_RESULT = (
    *("item_id", "task", "uris", "carried", "item_version", "fingerprint", "attempt"),
    *("source_width", "source_height", "frame_pts", "requested_pts"),
    *("left_out", "context_cut"),
    *("finish_reason", "repairs", "copied_from", "content_key", "content_digest"),
    *("image_tokens", "prompt_tokens", "output_tokens"),
)
_CARRIED_FAILURE = ("item_id", "task", "kind", "uris", "item_version", "fingerprint")


@dataclass
class _Buffer:
    rows: list[dict[str, Any]] = field(default_factory=list)
    replaces: bool = False

    def add(self, row: dict[str, Any], *, replaces: bool) -> None:
        self.rows.append(row)
        self.replaces |= replaces

    def commit(self, table: OutputTable) -> None:
        if not self.rows:
            return
        rows = pa.Table.from_pylist(self.rows, schema=table.schema)
        if self.replaces:
            table.upsert(rows)
        else:
            table.append(rows)
        self.rows.clear()
        self.replaces = False


def result_tables(
    output: str,
    storage: StorageSpec,
    tasks: Iterable[BoundTask],
    run_id: str,
    lease: Lease | None = None,
) -> dict[str, OutputTable]:
    """The result tables that a job's tasks write, by name."""
    return {
        bound.table: OutputTable(
            join_uri(output, bound.table), bound.table_schema(), storage, run_id, lease
        )
        for bound in tasks
    }


def failures_table(
    output: str, storage: StorageSpec, run_id: str, lease: Lease | None = None
) -> OutputTable:
    """The table of what could not be annotated."""
    return OutputTable(
        join_uri(output, FAILURES_TABLE), FAILURES_SCHEMA, storage, run_id, lease
    )
