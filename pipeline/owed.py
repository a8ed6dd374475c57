"""The tasks that a run owes its items."""

from __future__ import annotations

from dataclasses import dataclass

from operators.tasks.registry import BoundTask


@dataclass(frozen=True)
class OwedTask:
    """A task of the job with what makes its rows current.

    Attributes:
        bound: The task.
        fingerprints: By kind of item, for every kind that the task takes.
    """

    bound: BoundTask
    fingerprints: dict[str, str]
