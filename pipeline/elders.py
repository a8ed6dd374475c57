"""Rows of earlier runs whose answers a plan's items may take: those of the same content."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator, Sequence

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
from deltalake import DeltaTable

from operators.storage import open_store
from operators.tasks.registry import BoundTask
from pipeline.delta import open_table, query
from pipeline.listed import parts_of, quoted
from pipeline.owed import OwedTask
from schemas.item_tables import ANNOTATED_SCHEMA
from schemas.job import StorageSpec
from schemas.tables import result_schema
from schemas.uris import join_uri

ROWS_PER_PART = 4096
MAX_PART_BYTES = 1024**3
MOST_DIGESTS = 16
"""Of one key: files whose ETag is not known may have one size and nothing else in common."""

MOST_NAMED = 1000
"""Items that a query names one by one; the rows of more are sought in all there are."""

_NEEDED = frozenset({"content_key", "content_digest", "copy_distance", "locked"})
_NO_ANSWER = frozenset(result_schema([]).names)


class Elders:
    """What the output's rows may give to the items of a plan.

    A row counts if it answers the very question: task, fingerprint, kind and context are the
    same. Whether the content is, decoding will tell. What people have changed, or was taken
    from a picture that only looks alike, is no answer of the model's about this content.

    Args:
        database: Of the plan.
        tasks: Of the job.
        output: Root of the output.
        storage: How it is reached.
    """

    def __init__(
        self,
        database: duckdb.DuckDBPyConnection,
        tasks: Sequence[OwedTask],
        output: str,
        storage: StorageSpec,
    ) -> None:
        self._database = database
        self._tables = {
            index: table
            for index, owed in enumerate(tasks)
            if (table := open_table(join_uri(output, owed.bound.table), storage)) is not None
            and {field.name for field in table.schema().fields} >= _NEEDED
        }
        self._tasks = tasks
        self.by_task: dict[str, str] = {}

    def find(self, keyed: str) -> None:
        """Find those that may have what is owed, as views named in `by_task`.

        Each has columns ``content_key`` and ``elders``, as `ELDER_TYPE`.

        Args:
            keyed: A query for what is owed, with ``content_key``.
        """
        if not self._tables:
            return
        self._database.execute(
            f"""CREATE TABLE owed_keys AS
                SELECT content_key FROM ({keyed}) WHERE content_key IS NOT NULL"""
        )
        for index, table in self._tables.items():
            owed, view = self._tasks[index], f"elders_{index}"
            known = "item_id, content_key, content_digest AS digest"
            rows = query(table, f"SELECT {known} FROM rows WHERE {_answers(owed)}")
            self._database.register("scan", rows)
            self._database.execute(
                """CREATE TABLE matching AS
                   SELECT * FROM scan SEMI JOIN owed_keys USING (content_key)"""
            )
            self._database.unregister("scan")
            self._gather("matching", view)
            self._database.execute("DROP TABLE matching")
            self.by_task[owed.bound.name] = view

    def _gather(self, matching: str, view: str) -> None:
        self._database.execute(
            f"""CREATE TABLE {view}
                (content_key BIGINT, elders STRUCT(item_id VARCHAR, digest VARCHAR)[])"""
        )
        for part in parts_of(self._database, matching, "content_key"):
            self._database.execute(
                f"""INSERT INTO {view}
                    SELECT content_key, list({{'item_id': item_id, 'digest': digest}}
                                             ORDER BY item_id)[:{MOST_DIGESTS}]
                    FROM (SELECT content_key, digest, min(item_id) AS item_id FROM {matching}
                          WHERE {part} GROUP BY content_key, digest)
                    GROUP BY content_key"""
            )

    def rows(self) -> Iterator[pa.Table]:
        """The answers of all that were found, as tables of `ANNOTATED_SCHEMA`.

        They are read before the run changes anything: an item may take what its own older row
        says, or that of one that is removed.
        """
        for index, table in self._tables.items():
            owed = self._tasks[index]
            self._database.execute(
                f"""CREATE TABLE wanted_{index} AS
                    SELECT e.item_id FROM elders_{index}, unnest(elders) AS _(e)"""
            )
            yield from self._rows_of(index, owed, table)

    def _rows_of(self, index: int, owed: OwedTask, table: DeltaTable) -> Iterator[pa.Table]:
        wanted = f"wanted_{index}"
        named = self._database.sql(
            f"SELECT item_id FROM {wanted} LIMIT {MOST_NAMED + 1}"
        ).fetchall()
        if not named:
            return
        where = _answers(owed)
        if len(named) <= MOST_NAMED:
            where += f" AND item_id IN ({', '.join(quoted(item_id) for (item_id,) in named)})"
        self._database.register("scan", query(table, f"SELECT * FROM rows WHERE {where}"))
        found = self._database.sql(f"SELECT * FROM scan SEMI JOIN {wanted} USING (item_id)")
        for batch in found.to_arrow_reader(ROWS_PER_PART):
            rows = [_annotated(row, owed.bound) for row in batch.to_pylist()]
            yield pa.Table.from_pylist(rows, schema=ANNOTATED_SCHEMA)
        self._database.unregister("scan")


def write_elders(elders: Elders, folder: str, storage: StorageSpec) -> list[str]:
    """Keep the answers beside a plan; returns the URIs."""
    uris = []
    for number, table in enumerate(elders.rows()):
        uri = join_uri(folder, f"elders-{number:06d}.parquet")
        buffer = io.BytesIO()
        pq.write_table(table, buffer, compression="zstd")
        open_store(uri, storage).put(uri, buffer.getvalue())
        uris.append(uri)
    return uris


def read_elders(uris: Sequence[str], storage: StorageSpec) -> Iterator[pa.Table]:
    """The tables that `write_elders` kept."""
    for uri in uris:
        data = open_store(uri, storage).get(uri, max_bytes=MAX_PART_BYTES)
        yield pq.read_table(io.BytesIO(data)).cast(ANNOTATED_SCHEMA)


def _answers(owed: OwedTask) -> str:
    fingerprints = ", ".join(quoted(one) for one in owed.fingerprints.values())
    return (
        f"task = {quoted(owed.bound.name)} AND fingerprint IN ({fingerprints}) "
        "AND content_key IS NOT NULL AND content_digest IS NOT NULL "
        "AND locked IS NULL AND coalesce(copy_distance, 0) = 0"
    )


def _annotated(row: dict, bound: BoundTask) -> dict:
    """A row of a result table as it was when it had just been annotated."""
    names = [name for name in bound.table_schema().names if name not in _NO_ANSWER]
    answer = {name: row.get(name) for name in names}
    kept = {name: row.get(name) for name in ANNOTATED_SCHEMA.names}
    return kept | {
        "kind": "",  # Who takes the answer has a kind, and a state, of its own.
        "replaces": False,
        "failed_before": False,
        "of_elder": True,
        "answer": json.dumps(answer, ensure_ascii=False),
    }
