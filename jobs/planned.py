"""Print what a run would do."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table
from rich.text import Text

from jobs.terminal import printable
from schemas.job import JobSpec

_COLUMNS = ("new", "changed", "current", "retried", "given_up", "not_taken", "gone")


def show_plan(console: Console, job: JobSpec) -> None:
    """Print how many items each task is owed, and why.

    Raises:
        TaglineError: See `pipeline.preview.preview`.
    """
    from pipeline.preview import preview

    previews = preview(job)
    view = Table("task", box=None, pad_edge=False)
    for name in _COLUMNS:
        view.add_column(name.replace("_", " "), justify="right")
    for one in previews:
        counts = (f"{getattr(one, name):,}" for name in _COLUMNS)
        view.add_row(Text(printable(one.task)), *counts)
    console.print(view)
    for one in previews:
        if one.reasons:
            told = ", ".join(f"{reason} ({n:,})" for reason, n in one.reasons.most_common())
            console.print(Text(printable(f"{one.task}: changed are {told}")), soft_wrap=True)
    if job.duplicates.near is not None:
        told = "duplicates.near: pictures that look alike are found while decoding"
        console.print(Text(f"{told}; the model is asked about the first of them alone"))


def explain_item(console: Console, job: JobSpec, item_id: str) -> None:
    """Print why each task would, or would not, be run for one item.

    Raises:
        TaglineError: See `pipeline.preview.explain`.
    """
    from pipeline.preview import explain

    for task, told in explain(job, item_id).items():
        console.print(Text(printable(f"{task}: {told}")), soft_wrap=True)
