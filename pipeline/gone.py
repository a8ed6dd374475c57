"""Rows of items that the input does not list any more, and of those that it lists again.

A row that says that its item is gone says so no more once the item is back, whatever the
policy is by then.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

from operators.sources.tar_places import DAMAGED_PREFIX
from pipeline.listed import quoted
from pipeline.output_table import OutputTable
from pipeline.owed import OwedTask
from schemas.failure import UsageError
from schemas.job import GonePolicy
from schemas.tables import FAILURES_TABLE, TIMESTAMP

KEYS_A_COMMIT = 50_000


@dataclass(frozen=True)
class Gone:
    """What is to be done about one task's rows.

    Attributes:
        table: Their table; `FAILURES_TABLE` for failures.
        leaving: Keys of rows whose item is gone.
        returning: Keys of rows marked as gone whose item is listed again.
    """

    table: str
    leaving: pa.Table
    returning: pa.Table


def damaged_shards(database: duckdb.DuckDBPyConnection) -> list[str]:
    """Addresses of shards that could be listed in part only, sorted.

    Args:
        database: As `pipeline.planning.planning` makes it.
    """
    rows = database.execute(
        f"""SELECT DISTINCT media[1].uri FROM listing
            WHERE starts_with(media[1].inside, {quoted(DAMAGED_PREFIX)}) ORDER BY 1"""
    ).fetchall()
    return [uri for (uri,) in rows]


def find_gone(
    database: duckdb.DuckDBPyConnection,
    tasks: Sequence[OwedTask],
    policy: GonePolicy,
    *,
    whole: bool = True,
) -> list[Gone]:
    """Hold the output's rows against the listing.

    Args:
        database: As `pipeline.planning.planning` makes it.
        tasks: Whose rows.
        policy: What becomes of rows whose item is gone.
        whole: Whether all of the input could be listed. Of another one nothing is known to be
            gone: what is not listed may be in the part that could not be read.

    Raises:
        UsageError: If nothing at all is listed, and rows would be deleted for it.
    """
    found = []
    for index, owed in enumerate(tasks):
        rows, name = f"result_{index} r", owed.bound.name
        back = f"{rows} JOIN listing l ON l.item_id = r.item_id WHERE r.gone_at IS NOT NULL"
        returning = _keys(database, back, name)
        leaving = returning.slice(0, 0)
        if policy != "keep" and whole:
            unmarked = "AND r.gone_at IS NULL" if policy == "mark" else ""
            gone = "WHERE NOT EXISTS (FROM listing l WHERE l.item_id = r.item_id)"
            leaving = _keys(database, f"{rows} {gone} {unmarked}", name)
        found.append(Gone(owed.bound.table, leaving, returning))
        if policy == "delete" and whole:
            failures = f"failure_{index} r WHERE r.item_id NOT IN (SELECT item_id FROM listing)"
            lost = _keys(database, failures, name)
            found.append(Gone(FAILURES_TABLE, lost, lost.slice(0, 0)))
    _refuse_to_empty(database, found, policy)
    return [one for one in found if one.leaving.num_rows or one.returning.num_rows]


def _keys(database: duckdb.DuckDBPyConnection, rows: str, task: str) -> pa.Table:
    return database.sql(
        f"SELECT r.item_id, {quoted(task)} AS task FROM {rows}"
    ).to_arrow_table()


def _refuse_to_empty(
    database: duckdb.DuckDBPyConnection, found: Sequence[Gone], policy: GonePolicy
) -> None:
    leaving = sum(one.leaving.num_rows for one in found)
    [(listed,)] = database.execute("SELECT count(*) FROM listing").fetchall()
    if policy == "delete" and leaving and not listed:
        raise UsageError(
            "the input lists no item, for which output.gone: delete would remove all "
            f"{leaving} rows; check input, or delete the output itself if that is meant"
        )


def settle_gone(
    found: Sequence[Gone], tables: Mapping[str, OutputTable], policy: GonePolicy
) -> int:
    """Mark or delete rows whose item is gone; unmark those whose item is back.

    Args:
        found: See `find_gone`.
        tables: The output's, by name.
        policy: What becomes of rows whose item is gone.

    Returns:
        How many rows were marked or deleted.

    Raises:
        StorageError: If the store stayed unusable.
    """
    now = datetime.now(UTC)
    for one in found:
        table = tables[one.table]
        for keys in _pieces(one.leaving):
            if policy == "delete":
                table.remove(keys)
            else:
                table.rewrite(keys, lambda rows: _marked(rows, now))
        for keys in _pieces(one.returning):
            table.rewrite(keys, lambda rows: _marked(rows, None))
    return sum(one.leaving.num_rows for one in found)


def _pieces(keys: pa.Table) -> Iterator[pa.Table]:
    # By item, so that a piece touches few of a compacted table's files.
    by_item = keys.sort_by("item_id") if keys.num_rows > KEYS_A_COMMIT else keys
    for start in range(0, keys.num_rows, KEYS_A_COMMIT):
        yield by_item.slice(start, KEYS_A_COMMIT)


def _marked(rows: pa.Table, since: datetime | None) -> pa.Table:
    place = rows.schema.get_field_index("gone_at")
    marks = pa.repeat(pa.scalar(since, TIMESTAMP), rows.num_rows)
    return rows.set_column(place, rows.schema.field(place), pc.cast(marks, TIMESTAMP))
