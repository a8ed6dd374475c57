"""An exported item as one JSON object."""

from __future__ import annotations

import json
import math
from typing import Any

from pipeline.export.joined import JoinedItem


def as_record(item: JoinedItem) -> dict[str, Any]:
    """The item's id, its addresses, what it carries, and its answers by column."""
    return {
        "item_id": item.item_id,
        "uris": [medium.uri for medium in item.media],
        "carried": None if item.carried is None else json.loads(item.carried),
        **item.answers,
    }


def as_json(record: dict[str, Any]) -> bytes:
    """A record as one line of UTF-8. JSON has no infinity and no NaN: they become null."""
    try:
        text = json.dumps(record, ensure_ascii=False, allow_nan=False)
    except ValueError:
        text = json.dumps(_finite(record), ensure_ascii=False, allow_nan=False)
    return text.encode()


def _finite(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, list):
        return [_finite(part) for part in value]
    if isinstance(value, dict):
        return {name: _finite(part) for name, part in value.items()}
    return value
