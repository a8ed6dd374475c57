"""What there is to choose from: tasks and model families."""

from __future__ import annotations

import json
from typing import Any

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from operators.models.registry import FAMILIES
from operators.tasks.base import Subject, Task, TaskOptions
from operators.tasks.reading import read_answer
from operators.tasks.registry import TASKS, bind_task
from schemas.failure import UsageError
from schemas.job import TaskSpec
from schemas.media import Frames, MediaKind

INDENT = (0, 0, 0, 2)


def tasks_view() -> Table:
    """The tasks, a line each."""
    view = Table("task", "takes", "table", "what it does", box=None, pad_edge=False)
    for task in TASKS.values():
        view.add_row(task.id, ", ".join(sorted(task.takes)), task.table, task.summary)
    return view


def task_view(name: str) -> RenderableType:
    """Everything about one task: options, prompt, form of the answer, columns, a row.

    Raises:
        UsageError: If there is no such task.
    """
    task = TASKS.get(name)
    if task is None:
        raise UsageError(f"there is no task {name!r}; there are {', '.join(TASKS)}")
    bound = bind_task(TaskSpec(task=name, name=name, options=task.sample_options))
    subject = Subject(_least_frames(task))
    asked = task.question(bound.options, subject)
    value = read_answer(asked.answer, json.dumps(task.sample))
    row = task.row(bound.options, value, subject).model_dump(mode="json")
    columns = "\n".join(
        f"{field.name}: {field.type}{'' if field.nullable else ', never null'}"
        for field in task.columns(bound.options)
    )
    takes = ", ".join(sorted(task.takes))
    return Group(
        Text(f"{task.id}, version {task.version}: takes {takes}; table {task.table}"),
        "",
        Text(" ".join((task.__doc__ or "").split())),
        *_part("Options in the job file", _options(task)),
        *_part("Instruction, the same for every item", asked.system),
        *_part("Said of each item, after its media", asked.user),
        *_part("Columns, beside key and provenance", columns),
        *_part("Example row", json.dumps(row, indent=2, ensure_ascii=False)),
    )


def _part(title: str, body: str | Table) -> tuple[RenderableType, ...]:
    shown = Text(body) if isinstance(body, str) else body
    return "", Text(title, style="bold"), Padding(shown, INDENT)


def _options(task: Task) -> Table:
    fields = task.Options.model_fields
    own = {name: field for name, field in fields.items() if name not in _COMMON}
    common = {name: field for name, field in fields.items() if name in _COMMON}
    view = Table(box=None, pad_edge=False, show_header=False)
    for name, field in (own | common).items():
        default = "required" if field.is_required() else _short(field.default)
        view.add_row(name, Text(default, style="dim"), Text(field.description or ""))
    return view


_COMMON = frozenset(TaskOptions.model_fields)


def _short(value: Any) -> str:
    if value is None or value == ():
        return "none"
    text = ", ".join(value) if isinstance(value, tuple) else str(value)
    return text if len(text) <= 40 else f"{text[:37]}..."


def _least_frames(task: Task) -> Frames:
    """The least that a task can be asked about, for its prompt."""
    if MediaKind.VIDEO in task.takes:
        shapes = ((1, 1),) * 2
        return Frames(MediaKind.VIDEO, bytes(6), shapes, (0.0, 1.5), duration_s=3.0)
    if MediaKind.IMAGE in task.takes:
        return Frames(MediaKind.IMAGE, bytes(3), ((1, 1),))
    return Frames(MediaKind.IMAGES, bytes(6), ((1, 1),) * 2)


def models_view() -> Table:
    """The model families with their limits."""
    columns = ("family", "takes", "context", "pixels an image", "frames", "published as")
    view = Table(*columns, box=None, pad_edge=False)
    for family in FAMILIES.values():
        limits = family.limits
        view.add_row(
            family.id,
            ", ".join(sorted(family.takes)),
            f"{limits.context_tokens:,}",
            f"{limits.max_image_pixels:,}",
            f"{limits.max_frames:,}" if limits.max_frames else "no video",
            family.hub_id,
        )
    return view
