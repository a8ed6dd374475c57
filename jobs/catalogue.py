"""Tables of what there is to choose from: tasks and model families."""

from __future__ import annotations

from rich.table import Table
from rich.text import Text

from operators.models.registry import FAMILIES
from operators.tasks.registry import TASKS


def tasks_view() -> Table:
    """The tasks with their options."""
    view = Table("task", "takes", "table", "what it does", box=None, pad_edge=False)
    for task in TASKS.values():
        view.add_row(task.id, ", ".join(sorted(task.takes)), task.table, task.summary)
        for name, field in task.Options.model_fields.items():
            view.add_row("", "", "", Text(f"  {name}: {field.description}", style="dim"))
    return view


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
