"""Columns that people have set: a run that replaces their row leaves them as they are."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from schemas.tables import KEY_FIELDS, PROVENANCE_FIELDS

LOCKED = "locked"
_NEVER_LOCKED = frozenset(field.name for field in (*KEY_FIELDS, *PROVENANCE_FIELDS))


def row_keys(rows: pa.Table) -> pa.Array:
    """One string a row that stands for its key; no id holds a NUL."""
    return pc.binary_join_element_wise(
        rows.column("item_id"), rows.column("task"), "\0"
    ).combine_chunks()


def answer_columns(schema: pa.Schema) -> list[str]:
    """The columns of a result table that people may set."""
    return [name for name in schema.names if name not in _NEVER_LOCKED]


def keep_locked(rows: pa.Table, old: pa.Table) -> pa.Table:
    """New rows with the locks of the rows they replace, and the values under them.

    Args:
        rows: New rows of one table.
        old: The rows they replace; tables without locks are left alone.
    """
    if LOCKED not in rows.column_names:
        return rows
    locks = old.filter(pc.greater(pc.list_value_length(old.column(LOCKED)), 0))
    if not locks.num_rows:
        return rows
    held = dict(zip(row_keys(locks).to_pylist(), locks.to_pylist(), strict=True))
    keys = row_keys(rows)
    under_lock = pc.is_in(keys, value_set=pa.array(list(held), pa.string()))
    kept = [
        _with_locks(row, held[key])
        for row, key in zip(
            rows.filter(under_lock).to_pylist(),
            keys.filter(under_lock).to_pylist(),
            strict=True,
        )
    ]
    free = rows.filter(pc.invert(under_lock))
    return pa.concat_tables([free, pa.Table.from_pylist(kept, schema=rows.schema)])


def _with_locks(row: dict[str, Any], old: dict[str, Any]) -> dict[str, Any]:
    names = [name for name in old[LOCKED] if name in row and name not in _NEVER_LOCKED]
    return row | {name: old[name] for name in names} | {LOCKED: old[LOCKED]}
