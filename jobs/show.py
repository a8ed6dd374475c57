"""Print the output tables."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from jobs.terminal import printable
from operators.tasks.registry import TASKS
from schemas.failure import UsageError
from schemas.job import StorageSpec
from schemas.tables import FAILURES_TABLE, PROVENANCE_FIELDS, RUNS_TABLE
from schemas.uris import join_uri

_HIDDEN = frozenset(field.name for field in PROVENANCE_FIELDS)
_COLUMNS = {
    FAILURES_TABLE: ("item_id", "task", "stage", "code", "message", "attempts"),
    RUNS_TABLE: ("run_id", "job", "outcome", "items_done", "items_failed", "finished_at"),
}


def table_names(found: Iterable[str] = ()) -> list[str]:
    """Tables that an output may hold, and those found there: results first."""
    own = (FAILURES_TABLE, RUNS_TABLE)
    results = dict.fromkeys(task.table for task in TASKS.values())
    results |= dict.fromkeys(name for name in found if name not in own)
    return [*results, *own]


def show_tables(console: Console, output: str, storage: StorageSpec) -> None:
    """List the tables of an output with their numbers of rows.

    Raises:
        UsageError: If there is none.
        StorageError: If the store cannot be read.
    """
    from pipeline.delta import open_table, query, tables_below

    view = Table("table", "rows", "where", box=None, pad_edge=False)
    found = tables_below(output, storage)
    for name in table_names(found):
        table = open_table(join_uri(output, name), storage) if name in found else None
        if table is not None:
            [rows] = query(table, "SELECT count(*) AS n FROM rows").read_all()["n"].to_pylist()
            view.add_row(Text(printable(name)), f"{rows:,}", Text(join_uri(output, name)))
    if not view.row_count:
        raise UsageError(f"there are no tables at {output}; is that a job's output?")
    console.print(view)


def show_rows(
    console: Console, output: str, name: str, limit: int, storage: StorageSpec
) -> None:
    """Print rows of one table, without the columns of provenance.

    Raises:
        UsageError: If there is no such table.
        StorageError: If the store cannot be read.
    """
    from pipeline.delta import open_table, query, tables_below

    table = open_table(join_uri(output, name), storage)
    if table is None:
        known = ", ".join(table_names(tables_below(output, storage)))
        raise UsageError(f"there is no table {name} at {output}; tables are: {known}")
    order = "finished_at DESC" if name == RUNS_TABLE else "item_id"
    rows = query(table, f"SELECT * FROM rows ORDER BY {order} LIMIT {limit}").read_all()
    columns = _COLUMNS.get(name) or [c for c in rows.column_names if c not in _HIDDEN]
    view = Table(*columns, box=None, pad_edge=False)
    for row in rows.select(list(columns)).to_pylist():
        view.add_row(*(Text(printable(cell(row[column]))) for column in columns))
    console.print(view)


def cell(value: Any) -> str:
    """A value as text for people."""
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:.2f}"
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d %H:%M:%S}"
    if isinstance(value, list):
        return ", ".join(cell(entry) for entry in value)
    if isinstance(value, dict):
        return _structure(value)
    return str(value)


def _structure(value: dict[str, Any]) -> str:
    if "tag" in value:
        return str(value["tag"])
    if "start_s" in value:
        said = value.get("title") or value.get("label") or ""
        return f"{value['start_s']:.1f}-{value['end_s']:.1f} s {said}"
    if "question" in value:
        return f"{value['question']} {value['answer']}"
    return " ".join(cell(entry) for entry in value.values())
