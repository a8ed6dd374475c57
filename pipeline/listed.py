"""A listing on disk, where DuckDB joins it with the output's tables in bounded memory."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from operators.sources.base import ListedItem
from schemas.failure import UsageError
from schemas.item import Medium
from schemas.item_tables import LISTED_FIELDS, MEDIUM_TYPE, context_to_json

LISTING_ROWS_PER_GROUP = 20_000
MEMORY_LIMIT = "512MB"
"""Of DuckDB, which spills beyond it; with the listing's own buffers that stays below 1 GB."""

THREADS = 4
"""Each of DuckDB's threads needs a share of the memory."""

REPEATED_IDS_NAMED = 10
GROUPED_AT_ONCE = 1_000_000

LISTING_SCHEMA = pa.schema(LISTED_FIELDS)


def write_listing(listing: Iterable[ListedItem], path: Path) -> None:
    """Stream items into a Parquet file of `LISTING_SCHEMA`."""
    with pq.ParquetWriter(path, LISTING_SCHEMA, compression="zstd") as writer:
        for rows in chunks(listing, LISTING_ROWS_PER_GROUP):
            columns = {
                "item_id": [item.item_id for item in rows],
                "kind": [str(item.kind) for item in rows],
                "item_version": [item.item_version for item in rows],
                "media": _media([item.media for item in rows]),
                "subtitles": [item.subtitles and vars(item.subtitles) for item in rows],
                "context": [context_to_json(item.context) for item in rows],
                "carried": [item.carried for item in rows],
            }
            writer.write_table(pa.table(columns, schema=LISTING_SCHEMA))


def _media(of_items: Sequence[Sequence[Medium]]) -> pa.Array:
    """Lists of `MEDIUM_TYPE`, built from flat columns: far cheaper than from dicts."""
    flat = list(itertools.chain.from_iterable(of_items))
    columns = [
        pa.array([getattr(medium, field.name) for medium in flat], field.type)
        for field in MEDIUM_TYPE.fields
    ]
    structs = pa.StructArray.from_arrays(columns, fields=MEDIUM_TYPE.fields)
    ends = itertools.accumulate((len(media) for media in of_items), initial=0)
    return pa.ListArray.from_arrays(pa.array(list(ends), pa.int32()), structs)


def chunks(items: Iterable[Any], size: int) -> Iterator[list[Any]]:
    """Lists of `size` elements; the last may be shorter."""
    chunk: list[Any] = []
    for item in items:
        chunk.append(item)
        if len(chunk) == size:
            yield chunk
            chunk = []
    if chunk:
        yield chunk


def load_listing(database: duckdb.DuckDBPyConnection, scratch: str, listed: Path) -> None:
    """Make a written listing the view ``listing``; what outgrows memory goes to `scratch`."""
    database.execute(f"SET memory_limit = '{MEMORY_LIMIT}'")
    database.execute(f"SET threads = {THREADS}")
    database.execute(f"SET temp_directory = {quoted(scratch)}")
    database.execute("SET enable_progress_bar = false")
    database.execute(
        f"CREATE VIEW listing AS SELECT * FROM read_parquet({quoted(str(listed))})"
    )


def refuse_repeated_ids(database: duckdb.DuckDBPyConnection) -> None:
    """Two items of one id would be one row; which one, chance would say.

    Raises:
        UsageError: If there are such items.
    """
    twice = database.execute(
        f"""SELECT item_id, count(*) FROM listing GROUP BY item_id HAVING count(*) > 1
            ORDER BY item_id LIMIT {REPEATED_IDS_NAMED + 1}"""
    ).fetchall()
    if twice:
        named = ", ".join(
            f"{item[:80]!r} ({n} times)" for item, n in twice[:REPEATED_IDS_NAMED]
        )
        more = ", ..." if len(twice) > REPEATED_IDS_NAMED else ""
        raise UsageError(f"input: an item's id must be its alone; repeated: {named}{more}")


def parts_of(database: duckdb.DuckDBPyConnection, table: str, number: str) -> Iterator[str]:
    """Conditions that divide a table, for what holds all groups at once while it groups.

    Args:
        database: With the table.
        table: Its name.
        number: The column to group by, of numbers spread evenly and not negative.
    """
    [rows] = database.execute(f"SELECT count(*) FROM {table}").fetchone() or [0]
    parts = rows // GROUPED_AT_ONCE + 1
    return (f"{number} % {parts} = {part}" for part in range(parts))


def quoted(text: str) -> str:
    """A text as SQL writes it."""
    return "'" + str(text).replace("'", "''") + "'"
