"""A job's items joined with the rows that its output holds of them, in bounded memory."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from operators.sources.registry import open_source
from operators.tasks.registry import BoundTask
from pipeline.delta import open_table, query
from pipeline.export.columns import answer_columns
from pipeline.listed import load_listing, quoted, refuse_repeated_ids, write_listing
from schemas.failure import UsageError
from schemas.item import Medium
from schemas.job import JobSpec
from schemas.media import MediaKind
from schemas.uris import join_uri

ROWS_PER_BATCH = 1024

_ANSWERS = pa.schema([(name, pa.string()) for name in ("item_id", "item_version", "answer")])


@dataclass(frozen=True)
class JoinedItem:
    """An item with its answers.

    Attributes:
        item_id: As listed.
        kind: As listed.
        media: As listed.
        carried: What the job carries from its manifest, as a JSON object.
        answers: By the names of `answer_columns`; None where a task has no row.
        annotated: Whether any task has a row.
    """

    item_id: str
    kind: MediaKind
    media: tuple[Medium, ...]
    carried: str | None
    answers: dict[str, Any]
    annotated: bool


class Joined:
    """The items of a job in the order of its input; see `joined_items`.

    Attributes:
        listed: Items found.
        annotated: Those of them with a row of at least one task.
        changed: Those without one whose rows are of an earlier version of the item.
    """

    def __init__(self, database: duckdb.DuckDBPyConnection, tasks: Sequence[BoundTask]) -> None:
        self._database = database
        self._tasks = tasks
        self._columns = answer_columns(tasks)
        [counts] = database.execute(
            "SELECT count(*), count(*) FILTER (annotated), "
            "count(*) FILTER (answered AND NOT annotated) FROM joined"
        ).fetchall()
        self.listed, self.annotated, self.changed = counts

    def items(self, *, unanswered: bool = False) -> Iterator[JoinedItem]:
        """Stream the items that have rows, or all of them."""
        answers = ", ".join(f"answer_{place}" for place in range(len(self._tasks)))
        batches = self._database.sql(
            f"""SELECT item_id, kind, media, carried, annotated, {answers} FROM joined
                {"" if unanswered else "WHERE annotated"} ORDER BY place"""
        ).to_arrow_reader(ROWS_PER_BATCH)
        for batch in batches:
            for row in batch.to_pylist():
                yield self._item(row)

    def _item(self, row: dict[str, Any]) -> JoinedItem:
        found = [
            json.loads(row[f"answer_{place}"] or "{}") for place in range(len(self._tasks))
        ]
        return JoinedItem(
            item_id=row["item_id"],
            kind=MediaKind(row["kind"]),
            media=tuple(Medium(**medium) for medium in row["media"]),
            carried=row["carried"],
            answers={c.name: found[c.task].get(c.column) for c in self._columns},
            annotated=row["annotated"],
        )


@contextmanager
def joined_items(job: JobSpec, tasks: Sequence[BoundTask]) -> Iterator[Joined]:
    """List a job's input anew and join it with what the output holds.

    A row counts if it is of the version of the item that is listed now: the answer to a
    picture that was replaced since is none to this one. With which prompt or model it was
    made does not matter; the output keeps one row for an item and task.

    Raises:
        UsageError: If the input is not as the job says, or the output holds no rows.
        StorageError: If a store cannot be read.
    """
    columns = {c for bound in tasks for c in bound.task.context_columns(bound.options)}
    listing = open_source(job.input, job.storage, sorted(columns))
    with tempfile.TemporaryDirectory(prefix="tagline-export-") as scratch:
        listed = Path(scratch) / "listing.parquet"
        with duckdb.connect(Path(scratch) / "export.duckdb") as database:
            write_listing(listing, listed)
            load_listing(database, scratch, listed)
            refuse_repeated_ids(database)
            found = [_load_answers(database, n, job, bound) for n, bound in enumerate(tasks)]
            if not any(found):
                raise UsageError(
                    f"export: there are no tables of the job's tasks at {job.output.uri}; "
                    "run the job first"
                )
            database.execute(_join_sql(listed, len(tasks)))
            yield Joined(database, tasks)


def _load_answers(
    database: duckdb.DuckDBPyConnection, place: int, job: JobSpec, bound: BoundTask
) -> bool:
    """Load a task's rows as ``result_i``; whether its table is there."""
    table = open_table(join_uri(job.output.uri, bound.table), job.storage)
    rows = pa.RecordBatchReader.from_batches(_ANSWERS, [])
    if table is not None:
        names = [field.name for field in bound.task.columns(bound.options)]
        wanted = ", ".join(_as_name(name) for name in ("item_id", "item_version", *names))
        found = query(table, f"SELECT {wanted} FROM rows WHERE task = {quoted(bound.name)}")
        rows = pa.RecordBatchReader.from_batches(_ANSWERS, _answers(found, names))
    database.register("scan", rows)
    database.execute(f"CREATE TABLE result_{place} AS SELECT * FROM scan")
    database.unregister("scan")
    return table is not None


def _answers(batches: pa.RecordBatchReader, names: Sequence[str]) -> Iterator[pa.RecordBatch]:
    """A row's answer as one JSON text: DuckDB would fold the case of a struct's names."""
    for batch in batches:
        rows = batch.to_pylist()
        answers = [
            json.dumps({name: row[name] for name in names}, ensure_ascii=False) for row in rows
        ]
        yield pa.RecordBatch.from_pydict(
            {
                "item_id": [row["item_id"] for row in rows],
                "item_version": [row["item_version"] for row in rows],
                "answer": answers,
            },
            schema=_ANSWERS,
        )


def _as_name(column: str) -> str:
    return '"' + column.replace('"', '""') + '"'


def _join_sql(listed: Path, tasks: int) -> str:
    places = range(tasks)
    answers = ", ".join(
        f"CASE WHEN r{n}.item_version = l.item_version THEN r{n}.answer END AS answer_{n}"
        for n in places
    )
    current = " OR ".join(
        f"r{n}.item_version IS NOT DISTINCT FROM l.item_version" for n in places
    )
    answered = " OR ".join(f"r{n}.item_id IS NOT NULL" for n in places)
    joins = " ".join(f"LEFT JOIN result_{n} r{n} ON r{n}.item_id = l.item_id" for n in places)
    return f"""CREATE TABLE joined AS
      SELECT l.item_id, l.kind, l.media, l.carried, l.file_row_number AS place, {answers},
        ({current}) AS annotated, ({answered}) AS answered
      FROM read_parquet({quoted(str(listed))}, file_row_number = true) l {joins}"""
