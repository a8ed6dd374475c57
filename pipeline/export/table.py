"""Items as Parquet files of their own."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, islice

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.export.columns import AnswerColumn
from pipeline.export.joined import JoinedItem
from pipeline.export.target import Target
from pipeline.listed import chunks

ROWS_PER_GROUP = 10_000
GROUPS_PER_FILE = 100

_ITEM_FIELDS = [
    pa.field("item_id", pa.string(), nullable=False),
    pa.field("uris", pa.list_(pa.string()), nullable=False),
]


def write_table(
    items: Iterable[JoinedItem],
    columns: Sequence[AnswerColumn],
    target: Target,
    *,
    rows_per_group: int = ROWS_PER_GROUP,
    groups_per_file: int = GROUPS_PER_FILE,
) -> int:
    """Write ``part-00000.parquet`` and on; answers how many items.

    Raises:
        UsageError: If the target may not be written.
        StorageError: If it cannot be reached.
    """
    schema = pa.schema([*_ITEM_FIELDS, *(column.field for column in columns)])
    groups = chunks(items, rows_per_group)
    written = 0
    for number, first in enumerate(groups):
        with tempfile.TemporaryFile(prefix="tagline-export-") as file:
            with pq.ParquetWriter(file, schema, compression="zstd") as writer:
                for rows in chain([first], islice(groups, groups_per_file - 1)):
                    writer.write_table(pa.table(_arrays(rows, columns), schema=schema))
                    written += len(rows)
            target.put(f"part-{number:05d}.parquet", file)
    return written


def _arrays(rows: Sequence[JoinedItem], columns: Sequence[AnswerColumn]) -> list[pa.Array]:
    ids = pa.array([row.item_id for row in rows], pa.string())
    uris = pa.array([[m.uri for m in row.media] for row in rows], pa.list_(pa.string()))
    return [ids, uris, *answer_arrays(rows, columns)]


def answer_arrays(
    rows: Sequence[JoinedItem], columns: Sequence[AnswerColumn]
) -> Iterator[pa.Array]:
    """The items' answers, an array a column, of the types that their tasks give them."""
    for column in columns:
        yield pa.array([row.answers[column.name] for row in rows], column.type)
