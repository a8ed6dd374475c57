"""Corrections by people: set columns of rows that are there, and lock them against runs."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from deltalake import DeltaTable

from pipeline.column_types import expected_of, from_text, misfit, plain_schema
from pipeline.delta import open_table, query, refuse_unsafe_environment, tables_below
from pipeline.edit_lines import EditLine, read_edit_lines
from pipeline.locks import LOCKED, answer_columns
from pipeline.output_format import require_known_format
from pipeline.output_table import OutputTable
from schemas.failure import UsageError
from schemas.job import StorageSpec
from schemas.tables import KEY_FIELDS, RESERVED_TABLES
from schemas.uris import join_uri

MAX_PROBLEMS_SHOWN = 20

Key = tuple[str, str]


@dataclass(frozen=True)
class _Edit:
    key: Key
    values: dict[str, Any]
    unlock: tuple[str, ...]


def edit_table(output: str, name: str, edits: Path, storage: StorageSpec) -> int:
    """Apply a file of edits to one result table in one commit.

    Args:
        output: The job's output.
        name: The table.
        edits: The file, JSON Lines or CSV.
        storage: How the store is reached.

    Returns:
        How many rows were edited.

    Raises:
        UsageError: If the file or the table is none, or lines cannot be applied; nothing
            is written then.
        StorageError: If the store stayed unusable.
    """
    refuse_unsafe_environment()
    lines = read_edit_lines(edits)
    require_known_format(output, storage)
    table, schema = _opened(output, name, storage)
    locks = _locks_of(table, {line.item_id for line in lines})
    checked = _checked(lines, schema, locks, edits)
    by_key: dict[Key, list[_Edit]] = {}
    for edit in checked:
        by_key.setdefault(edit.key, []).append(edit)
    if by_key:
        target = OutputTable(
            join_uri(output, name), schema, storage, f"edit-{uuid.uuid4().hex}"
        )
        keys = pa.Table.from_pylist(
            [{"item_id": item_id, "task": task} for item_id, task in by_key],
            schema=pa.schema(KEY_FIELDS),
        )
        target.rewrite(keys, lambda old: _edited(old, by_key))
    return len(by_key)


def _opened(output: str, name: str, storage: StorageSpec) -> tuple[DeltaTable, pa.Schema]:
    uri = join_uri(output, name)
    if name in RESERVED_TABLES:
        raise UsageError(f"the table {uri} is Tagline's own; only results can be edited")
    table = open_table(uri, storage)
    if table is None:
        found = [one for one in tables_below(output, storage) if one not in RESERVED_TABLES]
        there = f"results there: {', '.join(found)}" if found else "is that a job's output?"
        raise UsageError(f"there is no table {name} at {output}; {there}")
    schema = plain_schema(pa.schema(table.schema().to_arrow()))
    if not {"item_id", "task", LOCKED} <= set(schema.names):
        raise UsageError(
            f"the table {uri} has no column {LOCKED}: another version of Tagline wrote it; run "
            "the job to another output and edit that"
        )
    return table, schema


def _locks_of(table: DeltaTable, item_ids: set[str]) -> dict[str, dict[str, list[str]]]:
    """The locks of the edited items' rows as they are now: by item, by task."""
    wanted = pa.array(sorted(item_ids), pa.string())
    found: dict[str, dict[str, list[str]]] = {}
    for batch in query(table, f"SELECT item_id, task, {LOCKED} FROM rows"):
        ids = batch.column("item_id").cast(pa.string())
        for at in pc.indices_nonzero(pc.is_in(ids, value_set=wanted)).to_pylist():
            item_id, task, locked = (batch.column(n)[at].as_py() for n in range(3))
            found.setdefault(item_id, {})[task] = locked or []
    return found


def _checked(
    lines: list[EditLine],
    schema: pa.Schema,
    locks: dict[str, dict[str, list[str]]],
    source: Path,
) -> list[_Edit]:
    """The edits that lines stand for; raises `UsageError` with every problem found."""
    edits, problems = [], []
    for line in lines:
        line = _typed(line, schema)
        found = list(_problems(line, schema, locks.get(line.item_id, {})))
        problems += [f"  line {line.number}: {problem}" for problem in found]
        if not found:
            task = line.task or next(iter(locks[line.item_id]))
            edits.append(_Edit((line.item_id, task), line.values, line.unlock))
    if problems:
        shown = problems[:MAX_PROBLEMS_SHOWN]
        if len(problems) > len(shown):
            shown.append(f"  and {len(problems) - len(shown)} more")
        head = f"{source}: {len(problems)} problem(s), nothing was edited"
        raise UsageError("\n".join([head, *shown]))
    return edits


def _typed(line: EditLine, schema: pa.Schema) -> EditLine:
    if not line.is_cells:
        return line
    known = set(schema.names)
    values = {
        name: from_text(value, schema.field(name).type) if name in known else value
        for name, value in line.values.items()
    }
    return replace(line, values=values)


def _problems(line: EditLine, schema: pa.Schema, tasks: dict[str, list[str]]) -> Iterator[str]:
    if line.problem:
        yield line.problem
        return
    if not tasks:
        yield f"the table has no row of item {line.item_id!r}"
    elif line.task is None and len(tasks) > 1:
        yield f"item {line.item_id!r} has several tasks; add task: {', '.join(sorted(tasks))}"
    elif line.task is not None and line.task not in tasks:
        there = ", ".join(sorted(tasks))
        yield f"item {line.item_id!r} has no row of task {line.task!r}, but of: {there}"
    free = answer_columns(schema)
    for name, value in line.values.items():
        yield from _column_problems(name, value, schema, free)
    held = {name for of_task in tasks.values() for name in of_task}
    for name in line.unlock:
        if name not in free and name not in held:
            yield f"unlock: there is no column {name!r}; columns are: {', '.join(free)}"


def _column_problems(
    name: str, value: Any, schema: pa.Schema, free: list[str]
) -> Iterator[str]:
    if name in free:
        field = schema.field(name)
        fault = misfit(value, field, name)
        if fault:
            yield f"{fault}; {name} takes {expected_of(field)}"
    elif name in schema.names:
        yield f"{name} says where the row came from and cannot be set"
    else:
        yield f"there is no column {name!r}; columns are: {', '.join(free)}"


def _edited(old: pa.Table, by_key: dict[Key, list[_Edit]]) -> pa.Table:
    """The rows with their edits, in the order of the lines."""
    rows = {(row["item_id"], row["task"]): row for row in old.to_pylist()}
    gone = by_key.keys() - rows.keys()
    if gone:
        item_id, task = min(gone)
        raise UsageError(
            f"the row of item {item_id!r} and task {task!r} was removed meanwhile; nothing "
            "was edited"
        )
    for key, edits in by_key.items():
        for edit in edits:
            rows[key] |= edit.values
            rows[key][LOCKED] = _locks_after(rows[key][LOCKED], edit)
    return pa.Table.from_pylist(list(rows.values()), schema=old.schema)


def _locks_after(locked: list[str] | None, edit: _Edit) -> list[str] | None:
    names = dict.fromkeys([*(locked or ()), *edit.values])
    return [name for name in names if name not in edit.unlock] or None
