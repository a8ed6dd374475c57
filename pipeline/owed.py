"""The tasks that a run owes its items."""

from __future__ import annotations

from dataclasses import dataclass, field

from operators.tasks.registry import BoundTask


@dataclass(frozen=True)
class OwedTask:
    """A task of the job with what makes its rows current.

    Attributes:
        bound: The task.
        fingerprints: By kind of item, for every kind that the task takes.
        parts: By kind of item, the digests of the parts that its fingerprint is made of, as
            people are told of them: a vocabulary is one by itself.
    """

    bound: BoundTask
    fingerprints: dict[str, str]
    parts: dict[str, dict[str, str]] = field(default_factory=dict)
