"""Answers of items that show the same: asked for once, and copied to all of them.

The plan marks items that may be twins (files of one size, on S3 of one ETag, owed the same
tasks with the same context), and pictures that may look alike. Decoding adds a digest of what
the model would be shown, and a look. The first item of a digest or look is annotated; the
others travel on without an answer and take the first one's as soon as both have arrived here.

Answers of earlier runs are told to it before all others; who takes one of those says so.

Those that show the very same take its failure as well. What only looks alike might have fared
better: it fails for now, and is asked about by itself in the next run.
"""

from __future__ import annotations

import json
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any

import pyarrow as pa

from schemas.failure import FailureCode, ItemFailure, Stage, StorageError
from schemas.item_tables import ANNOTATED_SCHEMA, failure_to_struct

OF_THE_ITEM = (
    *("item_id", "kind", "item_version", "uris", "carried", "task", "fingerprint"),
    *("replaces", "attempt", "failed_before", "twin", "copied_from", "of_elder"),
    *("content_key", "content_digest", "source_width", "source_height"),
)
"""What a copied row has of its own; all else is the answer's."""

_OF_COPIES = ("twin", "copied_from")

COSTS = ("image_tokens", "prompt_tokens", "output_tokens")


class Copies:
    """Gives rows on with their answers; what waits, or may be waited for, it keeps on disk.

    Raises:
        StorageError: From each method, if the disk is full or fails.
    """

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="tagline-copies-")
        with _on_this_disk():
            self._make_tables()

    def _make_tables(self) -> None:
        path = Path(self._folder.name) / "rows.sqlite"
        self._rows = sqlite3.connect(path, isolation_level=None)
        for setting in ("journal_mode = OFF", "synchronous = OFF"):
            self._rows.execute(f"PRAGMA {setting}")
        self._rows.execute("CREATE TABLE answered (item TEXT, task TEXT, row TEXT)")
        self._rows.execute("CREATE UNIQUE INDEX of_item ON answered (item, task)")
        self._rows.execute("CREATE TABLE elders (item TEXT, task TEXT, row TEXT)")
        self._rows.execute("CREATE UNIQUE INDEX of_elder ON elders (item, task)")
        self._rows.execute("CREATE TABLE waiting (for_item TEXT, task TEXT, row TEXT)")
        self._rows.execute("CREATE INDEX of_first ON waiting (for_item, task)")

    def __enter__(self) -> Copies:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._rows.close()
        self._folder.cleanup()

    def know(self, elders: pa.Table) -> None:
        """Keep answers of earlier runs.

        Args:
            elders: Of `ANNOTATED_SCHEMA`.
        """
        rows = [(row["item_id"], row["task"], _text(row)) for row in elders.to_pylist()]
        with _on_this_disk():
            self._rows.execute("BEGIN")
            self._rows.executemany("INSERT OR REPLACE INTO elders VALUES (?, ?, ?)", rows)
            self._rows.execute("COMMIT")

    def settled(self, annotated: pa.Table) -> pa.Table:
        """The rows that have an answer or a failure by now.

        Args:
            annotated: Of `ANNOTATED_SCHEMA`, all rows of an item together.

        Returns:
            Likewise. Rows of twins whose first is not here yet come out with it.
        """
        if all(annotated.column(c).null_count == len(annotated) for c in _OF_COPIES):
            return annotated
        rows: list[dict[str, Any]] = []
        with _on_this_disk():
            for row in annotated.to_pylist():
                if row["of_elder"]:
                    rows.append(self._of_elder(row))
                elif row["twin"] is None:
                    rows.append(row)
                elif row["copied_from"] is None:
                    rows += [row, *self._answer(row)]
                else:
                    rows += self._take(row)
        return pa.Table.from_pylist(rows, schema=ANNOTATED_SCHEMA)

    def _of_elder(self, row: dict[str, Any]) -> dict[str, Any]:
        [found] = self._rows.execute(
            "SELECT row FROM elders WHERE item = ? AND task = ?",
            (row["copied_from"], row["task"]),
        )
        elder = json.loads(found[0])
        copied = _copied(row, elder)
        if row["copied_from"] == row["item_id"]:
            # Its own, of before its file was written anew with the same content.
            copied["copied_from"] = elder["copied_from"]
        return copied

    def _answer(self, first: dict[str, Any]) -> list[dict[str, Any]]:
        """Keep a row for twins to come; returns those that have waited for it."""
        key = (first["item_id"], first["task"])
        self._rows.execute(
            "INSERT OR REPLACE INTO answered VALUES (?, ?, ?)", (*key, _text(first))
        )
        waited = self._rows.execute(
            "SELECT row FROM waiting WHERE for_item = ? AND task = ?", key
        ).fetchall()
        self._rows.execute("DELETE FROM waiting WHERE for_item = ? AND task = ?", key)
        return [row for (text,) in waited for row in self._with_answer(json.loads(text), first)]

    def _with_answer(self, twin: dict[str, Any], first: dict[str, Any]) -> list[dict[str, Any]]:
        """A twin's row, and those that wait for it in turn.

        It may have been the first of others itself, before the board's process died and its
        successor took another one for that. Their distance then is the way over it.
        """
        copied = _copied(twin, first)
        return [copied, *self._answer(copied)]

    def _take(self, twin: dict[str, Any]) -> list[dict[str, Any]]:
        key = (twin["copied_from"], twin["task"])
        found = self._rows.execute(
            "SELECT row FROM answered WHERE item = ? AND task = ?", key
        ).fetchone()
        if found:
            return self._with_answer(twin, json.loads(found[0]))
        self._rows.execute("INSERT INTO waiting VALUES (?, ?, ?)", (*key, _text(twin)))
        return []


@contextmanager
def _on_this_disk() -> Iterator[None]:
    try:
        yield
    except (sqlite3.Error, OSError) as error:
        raise StorageError(
            f"cannot keep answers that others are to take in {tempfile.gettempdir()}: {error}; "
            "free space there, or point TMPDIR elsewhere"
        ) from error


def _text(row: dict[str, Any]) -> str:
    return json.dumps(row, ensure_ascii=False)


def _copied(twin: dict[str, Any], first: dict[str, Any]) -> dict[str, Any]:
    """An answer as its twin's row; it has cost nothing."""
    own = {name: twin[name] for name in OF_THE_ITEM}
    own |= {name: None if first[name] is None else 0 for name in COSTS}
    way = [row["copy_distance"] for row in (twin, first) if row["copy_distance"] is not None]
    own["copy_distance"] = sum(way) if way else None
    if first["failure"] is not None and way:
        own["failure"] = failure_to_struct(_failed_with(first))
    return first | own


def _failed_with(first: dict[str, Any]) -> ItemFailure:
    return ItemFailure(
        Stage.ANNOTATE,
        FailureCode.TWIN_FAILED,
        f"{first['item_id']}, which looks alike and whose answer it was to take, failed with "
        f"{first['failure']['code']}; the next run annotates it by itself",
    )
