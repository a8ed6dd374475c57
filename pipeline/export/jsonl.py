"""Items as JSON Lines."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable

from pipeline.export.joined import JoinedItem
from pipeline.export.record import as_json, as_record
from pipeline.export.target import MAX_FILE_BYTES, Target

ITEMS_PER_FILE = 100_000


def write_jsonl(
    items: Iterable[JoinedItem], target: Target, *, items_per_file: int = ITEMS_PER_FILE
) -> int:
    """Write one object an item to ``part-00000.jsonl`` and on; answers how many items.

    Raises:
        UsageError: If the target may not be written.
        StorageError: If it cannot be reached.
    """
    written = in_file = number = 0
    with tempfile.TemporaryFile(prefix="tagline-export-") as file:
        for item in items:
            if in_file == items_per_file or file.tell() >= MAX_FILE_BYTES:
                target.put(f"part-{number:05d}.jsonl", file)
                file.seek(0)
                file.truncate()
                number, in_file = number + 1, 0
            file.write(as_json(as_record(item)) + b"\n")
            in_file += 1
            written += 1
        if in_file:
            target.put(f"part-{number:05d}.jsonl", file)
    return written
