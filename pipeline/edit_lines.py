"""Read a file of edits: JSON Lines or CSV, a row to be edited each line."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pipeline.column_types import is_text
from schemas.failure import UsageError

JSON_SUFFIXES = (".jsonl", ".ndjson")
CSV_SUFFIX = ".csv"
ITEM_ID, TASK, UNLOCK = "item_id", "task", "unlock"
_NOT_COLUMNS = (ITEM_ID, TASK, UNLOCK)


@dataclass(frozen=True)
class EditLine:
    """One line of the file, not yet held against a table.

    Attributes:
        number: 1-based line in the file.
        item_id: The item.
        task: The task's name, if the line gives it.
        values: Columns to be set.
        unlock: Columns whose lock goes.
        is_cells: The values are a CSV's cells, still to be read as their columns' types.
        problem: Why the line says nothing; the other fields are then empty.
    """

    number: int
    item_id: str = ""
    task: str | None = None
    values: dict[str, Any] = field(default_factory=dict)
    unlock: tuple[str, ...] = ()
    is_cells: bool = False
    problem: str | None = None


def read_edit_lines(path: Path) -> list[EditLine]:
    """Read all lines; those that say nothing carry their problem.

    Raises:
        UsageError: If the file cannot be read, or is of another kind.
    """
    suffix = path.suffix.lower()
    if suffix not in (*JSON_SUFFIXES, CSV_SUFFIX):
        kinds = ", ".join((*JSON_SUFFIXES, CSV_SUFFIX))
        raise UsageError(f"{path}: expected a file of edits whose name ends in {kinds}")
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror}; check the path") from error
    except UnicodeDecodeError as error:
        raise UsageError(
            f"{path} is not UTF-8 (byte {error.start}); save it as that"
        ) from error
    return list(_from_csv(path, text) if suffix == CSV_SUFFIX else _from_json_lines(text))


def _from_json_lines(text: str) -> Iterator[EditLine]:
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        try:
            yield _edit_of(number, _parsed(line))
        except ValueError as error:
            yield EditLine(number, problem=str(error))


def _parsed(line: str) -> dict[str, Any]:
    try:
        value = json.loads(line, object_pairs_hook=_once, parse_constant=_no_constant)
    except json.JSONDecodeError as error:
        raise ValueError(f"expected JSON: {error.msg} at column {error.colno}") from None
    except RecursionError:
        raise ValueError("expected JSON with fewer levels") from None
    if not isinstance(value, dict):
        raise ValueError('expected a JSON object such as {"item_id": ..., "title": ...}')
    return value


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in pairs:
        if name in found:
            raise ValueError(f"{name!r} is there twice")
        found[name] = value
    return found


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON number")


def _from_csv(path: Path, text: str) -> Iterator[EditLine]:
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        header = next(reader, [])
        if len(set(header)) < len(header) or ITEM_ID not in header:
            raise UsageError(
                f"{path}: expected a first line that names each column once, {ITEM_ID} among "
                f"them, not {', '.join(header) or 'nothing'}"
            )
        for cells in reader:
            if cells:
                yield _from_cells(reader.line_num, header, cells)
    except csv.Error as error:
        raise UsageError(f"{path}: line {reader.line_num}: {error}; mend the CSV") from error


def _from_cells(number: int, header: list[str], cells: list[str]) -> EditLine:
    if len(cells) != len(header):
        return EditLine(
            number,
            problem=f"expected {len(header)} cells as in the first line, not {len(cells)}",
        )
    filled: dict[str, Any] = {k: v for k, v in zip(header, cells, strict=True) if v != ""}
    if UNLOCK in filled:
        filled[UNLOCK] = filled[UNLOCK].replace(";", " ").split()
    try:
        return _edit_of(number, filled, is_cells=True)
    except ValueError as error:
        return EditLine(number, problem=str(error))


def _edit_of(number: int, line: dict[str, Any], *, is_cells: bool = False) -> EditLine:
    item_id, task, unlock = line.get(ITEM_ID), line.get(TASK), line.get(UNLOCK, [])
    if not isinstance(item_id, str) or not item_id or not is_text(item_id):
        raise ValueError(f"{ITEM_ID} is {item_id!r}; expected the item's id, a text")
    if task is not None and not isinstance(task, str):
        raise ValueError(f"{TASK} is {task!r}; expected a task's name, a text")
    if not isinstance(unlock, list) or not all(isinstance(name, str) for name in unlock):
        raise ValueError(f"{UNLOCK} is {unlock!r}; expected a list of columns' names")
    values = {name: value for name, value in line.items() if name not in _NOT_COLUMNS}
    if not values and not unlock:
        raise ValueError(f"it sets no column and has no {UNLOCK}; name what is to change")
    both = sorted(values.keys() & set(unlock))
    if both:
        raise ValueError(f"{both[0]} is both set and in {UNLOCK}; do one of them")
    return EditLine(number, item_id, task, values, tuple(unlock), is_cells)
