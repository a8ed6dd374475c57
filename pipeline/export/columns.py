"""The columns that an export adds: how they are named, and which of them is a text."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import pyarrow as pa

from operators.tasks.registry import BoundTask
from schemas.failure import UsageError

ITEM_COLUMNS = ("item_id", "uris", "carried")
"""What every exported item has beside its answers."""

CAPTION = "caption"


@dataclass(frozen=True)
class AnswerColumn:
    """A column of answers.

    Attributes:
        name: In the export.
        task: Place of its task among the job's.
        column: In the task's table.
        type: As the task's schema has it.
    """

    name: str
    task: int
    column: str
    type: pa.DataType

    @property
    def field(self) -> pa.Field:
        """In a Parquet file; null where the task has no row for the item."""
        return pa.field(self.name, self.type)


def answer_columns(tasks: Sequence[BoundTask]) -> list[AnswerColumn]:
    """A task with one column gives it its name, one with several ``<task>_<column>`` each.

    Raises:
        UsageError: If two columns would have one name.
    """
    columns = []
    for place, bound in enumerate(tasks):
        fields = bound.task.columns(bound.options)
        for field in fields:
            name = bound.name if len(fields) == 1 else f"{bound.name}_{field.name}"
            columns.append(AnswerColumn(name, place, field.name, field.type))
    refuse_taken(columns, ITEM_COLUMNS, "the export's own columns")
    for number, column in enumerate(columns):
        before = [other.name for other in columns[:number]]
        refuse_taken([column], before, "another task's columns")
    return columns


def refuse_taken(columns: Sequence[AnswerColumn], taken: Iterable[str], where: str) -> None:
    """Raise `UsageError` if a column's name is among those that `where` has already."""
    names = set(taken)
    for column in columns:
        if column.name in names:
            raise UsageError(
                f"export: a column {column.name!r} is among {where} already; give the task "
                "that it comes from another `name:` in the job file, and run the job again"
            )


def text_column(tasks: Sequence[BoundTask], task: str | None) -> AnswerColumn:
    """The column whose text goes with an item's media.

    Of a task with several columns it is the one that is named as the kind of task, such as
    ``caption``, else the first.

    Args:
        tasks: The job's.
        task: A task's name in the job; None for the first caption.

    Raises:
        UsageError: If there is no such task, or its column is not text.
    """
    texts = {
        bound.name: column
        for place, bound in enumerate(tasks)
        if pa.types.is_string((column := _main_column(tasks, place)).type)
    }
    there = f"tasks with a text: {', '.join(texts) or 'none'}"
    if task is None:
        task = next((b.name for b in tasks if b.task.id == CAPTION), None)
        if task is None:
            raise UsageError(
                f"export: the job has no caption task; name one by --text; {there}"
            )
    if task not in [bound.name for bound in tasks]:
        raise UsageError(f"export: --text {task!r} is no task of the job; {there}")
    if task not in texts:
        raise UsageError(f"export: --text {task!r} gives no text; {there}")
    return texts[task]


def _main_column(tasks: Sequence[BoundTask], place: int) -> AnswerColumn:
    columns = [column for column in answer_columns(tasks) if column.task == place]
    named = [column for column in columns if column.column == tasks[place].task.id]
    return (named or columns)[0]
