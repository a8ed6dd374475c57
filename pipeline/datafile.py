"""The Parquet files of an output table, and how the transaction log names them."""

from __future__ import annotations

import io
import json
import time
import uuid

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from deltalake.transaction import AddAction, RemoveAction

from operators.storage.base import Store
from schemas.uris import join_uri

STATISTICS_COLUMNS = ("item_id", "task")


def write_data_file(
    store: Store, table_uri: str, rows: pa.Table, label: str, *, data_change: bool = True
) -> AddAction:
    """Write rows as one Parquet file below a table; nobody sees it until it is committed.

    Args:
        store: Serves ``table_uri``.
        table_uri: The table's folder.
        rows: With the table's own schema, so that all its files have the same types.
        label: Becomes part of the file's name.
        data_change: Whether the table's rows are others with this file.

    Returns:
        The log entry that makes it part of the table, with the key columns' bounds so
        that readers can pass over it.

    Raises:
        StorageError: If the store stayed unusable.
    """
    name = f"part-{label}-{uuid.uuid4().hex}.parquet"
    buffer = io.BytesIO()
    pq.write_table(rows, buffer, compression="zstd")
    store.put(join_uri(table_uri, name), buffer.getvalue())
    return AddAction(
        path=name,
        size=buffer.tell(),
        partition_values={},
        modification_time=_now_ms(),
        data_change=data_change,
        stats=json.dumps(_statistics(rows)),
    )


def removal_of(path: str, size: int, *, data_change: bool = True) -> RemoveAction:
    """The log entry that takes a file out of its table; the file itself stays.

    Args:
        path: As the log has it.
        size: Bytes.
        data_change: Whether the table's rows are others without it.
    """
    return RemoveAction(path, data_change, _now_ms(), size, {})


def _statistics(rows: pa.Table) -> dict:
    bounds = {
        column: pc.min_max(rows.column(column)).as_py()
        for column in STATISTICS_COLUMNS
        if column in rows.column_names
    }
    return {
        "numRecords": rows.num_rows,
        "minValues": {column: bound["min"] for column, bound in bounds.items()},
        "maxValues": {column: bound["max"] for column, bound in bounds.items()},
        "nullCount": dict.fromkeys(bounds, 0),
    }


def _now_ms() -> int:
    return int(time.time() * 1000)
