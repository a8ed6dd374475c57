"""Append-only notes that outlive whoever writes them.

Each note is one write of one line to a file opened for appending: whole or not there,
whatever is killed, and in order of all processes that write.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

BEGUN, ANSWERED = "begun", "answered"


class Journal:
    """A file of notes; made if absent. Opened by each process at its first note."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._descriptor: int | None = None

    def note(self, **what: Any) -> None:
        """Write one note."""
        if self._descriptor is None:
            flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT
            self._descriptor = os.open(self.path, flags, 0o644)
        os.write(self._descriptor, json.dumps(what).encode() + b"\n")

    def notes(self) -> Iterator[dict[str, Any]]:
        """All notes so far."""
        if self.path.exists():
            for line in self.path.read_bytes().splitlines():
                yield json.loads(line)

    @property
    def size(self) -> int:
        """Bytes so far: it grows if and only if something is done."""
        return self.path.stat().st_size if self.path.exists() else 0


@dataclass(frozen=True)
class Work:
    """What the engines were asked.

    Attributes:
        distinct: Different requests; an item is one for each of its tasks.
        begun_again: Times that a request was handed to an engine after the first time.
        answered_again: Times that it was answered after the first time.
    """

    distinct: int
    begun_again: int
    answered_again: int


def work_of(journal: Journal) -> Work:
    """Count what engines did more than once."""
    seen: dict[str, Counter[str]] = {BEGUN: Counter(), ANSWERED: Counter()}
    for note in journal.notes():
        seen[note["what"]][note["request"]] += 1
    begun, answered = seen[BEGUN], seen[ANSWERED]
    return Work(
        distinct=len(begun),
        begun_again=begun.total() - len(begun),
        answered_again=answered.total() - len(answered),
    )
