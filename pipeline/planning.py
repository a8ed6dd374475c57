"""The input's listing beside what the output holds, in one database that spills to disk."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import duckdb
import pyarrow as pa

from operators.sources.base import ListedItem
from pipeline.delta import on_one_line, open_table, query
from pipeline.listed import load_listing, quoted, refuse_repeated_ids, write_listing
from pipeline.owed import OwedTask
from schemas.failure import StorageError
from schemas.job import StorageSpec
from schemas.tables import FAILURES_TABLE, TIMESTAMP
from schemas.uris import join_uri


@contextmanager
def planning(
    listing: Iterable[ListedItem],
    tasks: Sequence[OwedTask],
    output: str,
    storage: StorageSpec,
) -> Iterator[duckdb.DuckDBPyConnection]:
    """A database with the view ``listing``, and ``result_i`` and ``failure_i`` of each task.

    Raises:
        UsageError: If an item's id is not its alone.
        StorageError: If this machine's disk or memory is too small for that.
    """
    try:
        with tempfile.TemporaryDirectory(prefix="tagline-plan-") as scratch:
            listed = Path(scratch) / "listing.parquet"
            write_listing(listing, listed)
            # In a file: of tables in memory a part stays there, however many rows they have.
            with duckdb.connect(Path(scratch) / "plan.duckdb") as database:
                load_listing(database, scratch, listed)
                refuse_repeated_ids(database)
                for index, owed in enumerate(tasks):
                    load_state(database, index, owed, output, storage)
                yield database
    except (OSError, duckdb.IOException, duckdb.OutOfMemoryException) as error:
        raise StorageError(
            f"cannot plan in {tempfile.gettempdir()}: {on_one_line(error)}; free space there, "
            "or point TMPDIR elsewhere"
        ) from error


_NO_ROWS = pa.table(
    {name: pa.array([], pa.string()) for name in ("item_id", "item_version", "fingerprint")}
)
_NO_RESULTS = _NO_ROWS.append_column("gone_at", pa.array([], TIMESTAMP))
_NO_FAILURES = (
    _NO_ROWS.append_column("retryable", pa.array([], pa.bool_()))
    .append_column("attempts", pa.array([], pa.int32()))
    .append_column("code", pa.array([], pa.string()))
)


def load_state(
    database: duckdb.DuckDBPyConnection,
    index: int,
    owed: OwedTask,
    output: str,
    storage: StorageSpec,
) -> None:
    """Register what the output holds of one task as ``result_i`` and ``failure_i``."""
    name = owed.bound.name
    for view, table, empty in (
        (f"result_{index}", owed.bound.table, _NO_RESULTS),
        (f"failure_{index}", FAILURES_TABLE, _NO_FAILURES),
    ):
        existing = open_table(join_uri(output, table), storage)
        if existing is None:
            database.register(view, empty)
            continue
        known = {field.name for field in existing.schema().fields}
        # A table that an older version made gets its new columns with the next run.
        columns = ", ".join(c if c in known else f"NULL AS {c}" for c in empty.column_names)
        rows = query(existing, f"SELECT {columns} FROM rows WHERE task = {quoted(name)}")
        # A stream can be read once; the state of a task is joined twice.
        database.register("scan", rows)
        database.execute(f"CREATE TABLE {view} AS SELECT * FROM scan")
        database.unregister("scan")
