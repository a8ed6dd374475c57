"""Which data files a table has, and which of them a commit is about. No I/O but the log's."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
from deltalake import DeltaTable

LiveFile = dict[str, Any]
"""What a log says of a file: ``path``, ``size_bytes``, bounds of columns."""


def live_files(table: DeltaTable) -> list[LiveFile]:
    """All files of a table as it was opened."""
    found: list[LiveFile] = pa.table(table.get_add_actions(flatten=True)).to_pylist()
    return found


def small_files(table: DeltaTable, target_bytes: int) -> list[LiveFile]:
    """Small files, smallest first, that together make one of about that size."""
    small = [one for one in live_files(table) if one["size_bytes"] < target_bytes / 2]
    chosen: list[LiveFile] = []
    size = 0
    for file in sorted(small, key=lambda one: (one["size_bytes"], one["path"])):
        if chosen and size + file["size_bytes"] > target_bytes:
            break
        chosen.append(file)
        size += file["size_bytes"]
    return chosen


def admits(file: LiveFile, ids: list[str]) -> bool:
    """Whether a file's bounds of ``item_id`` admit one of them."""
    low, high = file.get("min.item_id"), file.get("max.item_id")
    if low is None or high is None:
        return True
    return any(low <= item_id <= high for item_id in ids)
