"""Items and annotated rows for tests of planning and committing."""

from __future__ import annotations

import json
from typing import Any

import pyarrow as pa

from operators.sources.base import ListedItem
from operators.tasks.registry import BoundTask, bind_task
from schemas.failure import FailureCode, ItemFailure, Stage
from schemas.item import Medium
from schemas.item_tables import ANNOTATED_SCHEMA, failure_to_struct
from schemas.job import TaskSpec
from schemas.media import MediaKind


def bound(task: str, name: str | None = None, **options: Any) -> BoundTask:
    """A task as a job file would give it."""
    return bind_task(TaskSpec(task=task, name=name or task, options=options))


def listed(item_id: str, version: str = "v1", kind: MediaKind = MediaKind.IMAGE) -> ListedItem:
    """An item as the listing finds it."""
    return ListedItem(item_id, kind, version, (Medium(item_id, 10, version),))


def annotated(item_id: str, **changes: Any) -> dict[str, Any]:
    """A row of `ANNOTATED_SCHEMA`: a caption that names its item."""
    row: dict[str, Any] = {
        "item_id": item_id,
        "kind": "image",
        "item_version": "v1",
        "uris": [item_id],
        "task": "caption",
        "fingerprint": "f1",
        "replaces": False,
        "attempt": 1,
        "failed_before": False,
        "answer": json.dumps(
            {"caption": f"caption of {item_id}", "style": "detailed", "caution": None}
        ),
        "failure": None,
        "frame_pts": None,
        "source_width": 10,
        "source_height": 10,
        "image_tokens": 64,
        "prompt_tokens": 100,
        "output_tokens": 5,
        "finish_reason": "stop",
        "engine_tries": 1,
        "of_elder": False,
    }
    return row | changes


def failed(item_id: str, code: FailureCode, **changes: Any) -> dict[str, Any]:
    """A failed row of `ANNOTATED_SCHEMA`."""
    failure = failure_to_struct(ItemFailure(Stage.FETCH, code, f"{code} happened"))
    empty = dict.fromkeys(
        ("answer", "image_tokens", "prompt_tokens", "output_tokens", "finish_reason")
    )
    return annotated(item_id, failure=failure, **empty) | changes


def table(*rows: dict[str, Any]) -> pa.Table:
    """Pack rows."""
    return pa.Table.from_pylist(list(rows), schema=ANNOTATED_SCHEMA)
