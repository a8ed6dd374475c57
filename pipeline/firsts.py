"""Which of the items that show the same, or nearly, is asked about, and which take its answer.

Workers ask the board, so that one place decides. The first that arrives there is the first;
which that is depends on the workers' pace. What does not: an item takes the answer of one that
was asked about itself, and that is no further from it than the job allows.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import ray

from operators.annotate import AnnotateOperator
from operators.looks import Look
from pipeline.near_index import NearIndex


@dataclass(frozen=True)
class Shown:
    """What is known of an item that may show the same as others.

    Attributes:
        item_id: The item.
        same: Shared by those that show the very same.
        group: Of the pictures that may look like this one.
        look: Its look, see `operators.looks.Look.to_bytes`.
    """

    item_id: str
    same: str | None = None
    group: str | None = None
    look: bytes | None = None


@dataclass(frozen=True)
class First:
    """Whose answer an item takes.

    Attributes:
        item_id: Itself, or another.
        distance: How far their looks are apart, bits; None if they show the very same.
    """

    item_id: str
    distance: int | None = None


class Firsts:
    """All first ones so far.

    Args:
        near: How far pictures that look alike may be apart, bits; None if that is not asked.
    """

    def __init__(self, near: int | None = None) -> None:
        self._same: dict[str, First] = {}
        self._near = None if near is None else NearIndex(near)

    def of(self, shown: Shown) -> First:
        """Whose answer an item takes. Who asks again stays the first if it was."""
        if shown.same is None:
            return self._like(shown)
        if shown.same not in self._same:
            self._same[shown.same] = self._like(shown)
        return self._same[shown.same]

    def _like(self, shown: Shown) -> First:
        if self._near is None or shown.group is None or shown.look is None:
            return First(shown.item_id)
        look = Look.from_bytes(shown.look)
        item_id, distance = self._near.first_like(shown.group, shown.item_id, look)
        return First(item_id, None if item_id == shown.item_id else distance)


def without_twins(
    batch: pa.Table, operator: AnnotateOperator, board: Any
) -> tuple[pa.Table, list[pa.Table]]:
    """What of a batch is to be asked about, and the rows of what takes another's answer.

    Args:
        batch: Of `DECODED_SCHEMA`.
        operator: Makes the rows.
        board: Handle of the board.
    """
    batch, of_elders = _without_elders(batch, operator)
    columns = ("item_id", "twin", "digest", "alike", "look")
    rows = zip(*(batch.column(name).to_pylist() for name in columns), strict=True)
    shown = {
        place: Shown(item_id, f"{twin}:{digest}" if twin and digest else None, alike, look)
        for place, (item_id, twin, digest, alike, look) in enumerate(rows)
        if (twin and digest) or look is not None
    }
    if not shown:
        return batch, of_elders
    firsts = ray.get(board.firsts_of.remote(list(shown.values())))
    taking = {
        place: first
        for (place, own), first in zip(shown.items(), firsts, strict=True)
        if first.item_id != own.item_id
    }
    copied = [
        operator.copied(batch.slice(place, 1), first.item_id, first.distance)
        for place, first in taking.items()
    ]
    asked = pa.array([place not in taking for place in range(batch.num_rows)])
    return batch.filter(asked), of_elders + copied


def _without_elders(
    batch: pa.Table, operator: AnnotateOperator
) -> tuple[pa.Table, list[pa.Table]]:
    """What earlier runs have not answered of a batch, and the rows of what they have."""
    owed = batch.column("tasks").to_pylist()
    copied, left = [], []
    for place, (digest, tasks) in enumerate(
        zip(batch.column("digest").to_pylist(), owed, strict=True)
    ):
        taking: dict[str, list[dict]] = {}
        for task in tasks:
            for elder in task["elders"] or ():
                if elder["digest"] == digest:
                    taking.setdefault(elder["item_id"], []).append(task)
        for elder_id, of_elder in taking.items():
            row = _owed_only(batch.slice(place, 1), [of_elder])
            copied.append(operator.copied(row, elder_id, of_elder=True))
        taken = {task["name"] for of_elder in taking.values() for task in of_elder}
        left.append([task for task in tasks if task["name"] not in taken])
    if not copied:
        return batch, []
    is_left = pa.array([bool(tasks) for tasks in left])
    return _owed_only(batch, left).filter(is_left), copied


def _owed_only(batch: pa.Table, tasks: list[list[dict]]) -> pa.Table:
    field = batch.schema.field("tasks")
    column = pa.array(tasks, field.type)
    return batch.set_column(batch.schema.get_field_index("tasks"), field, column)
