"""How many items may fail before a run is ended."""

from __future__ import annotations

from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from schemas.job import FailureSpec


@dataclass
class ItemCounts:
    """Items that came out of the graph, whole or failed."""

    done: int = 0
    failed: int = 0

    def add(self, annotated: pa.Table) -> None:
        """Count the items of a table in which an item's rows stand together."""
        failed = annotated.filter(pc.is_valid(annotated.column("failure")))
        all_items = pc.count_distinct(annotated.column("item_id")).as_py()
        self.failed += (failed_here := pc.count_distinct(failed.column("item_id")).as_py())
        self.done += all_items - failed_here


def over_budget(allowed: FailureSpec, items: ItemCounts, *, finished: bool) -> bool:
    """Whether more items failed than the job allows.

    A fraction is judged only after `FailureSpec.min_sample` items, or at the end.
    """
    budget, seen = allowed.budget, items.done + items.failed
    if isinstance(budget, int):
        return items.failed > budget
    if not seen or (seen < allowed.min_sample and not finished):
        return False
    return items.failed / seen > budget
