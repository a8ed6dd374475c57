"""Answers of items that show the very same: asked for once, and copied to all of them.

The plan marks items that may be twins (files of one size, on S3 of one ETag, owed the same
tasks with the same context). Decoding adds a digest of what the model would be shown. The
first item of a digest is annotated; the others travel on without an answer and take the
first one's, failures included, as soon as both have arrived here.
"""

from __future__ import annotations

import json
import sqlite3
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Any

import pyarrow as pa

from schemas.item_tables import ANNOTATED_SCHEMA

OF_THE_ITEM = (
    *("item_id", "kind", "item_version", "uris", "carried", "task", "fingerprint"),
    *("replaces", "attempt", "failed_before", "twin", "copied_from"),
)
"""What a copied row has of its own; all else is the answer's."""

COSTS = ("image_tokens", "prompt_tokens", "output_tokens")


class Copies:
    """Gives rows on with their answers; what waits, or may be waited for, it keeps on disk."""

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="tagline-copies-")
        path = Path(self._folder.name) / "rows.sqlite"
        self._rows = sqlite3.connect(path, isolation_level=None)
        for setting in ("journal_mode = OFF", "synchronous = OFF"):
            self._rows.execute(f"PRAGMA {setting}")
        self._rows.execute("CREATE TABLE answered (item TEXT, task TEXT, row TEXT)")
        self._rows.execute("CREATE UNIQUE INDEX of_item ON answered (item, task)")
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

    def settled(self, annotated: pa.Table) -> pa.Table:
        """The rows that have an answer or a failure by now.

        Args:
            annotated: Of `ANNOTATED_SCHEMA`, all rows of an item together.

        Returns:
            Likewise. Rows of twins whose first is not here yet come out with it.
        """
        if annotated.column("twin").null_count == annotated.num_rows:
            return annotated
        rows: list[dict[str, Any]] = []
        for row in annotated.to_pylist():
            if row["twin"] is None:
                rows.append(row)
            elif row["copied_from"] is None:
                rows += [row, *self._answer(row)]
            else:
                rows += self._take(row)
        return pa.Table.from_pylist(rows, schema=ANNOTATED_SCHEMA)

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
        successor took another one for that.
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


def _text(row: dict[str, Any]) -> str:
    return json.dumps(row, ensure_ascii=False)


def _copied(twin: dict[str, Any], first: dict[str, Any]) -> dict[str, Any]:
    """An answer as its twin's row; it has cost nothing."""
    free = {name: None if first[name] is None else 0 for name in COSTS}
    return first | {name: twin[name] for name in OF_THE_ITEM} | free
