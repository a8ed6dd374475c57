"""The output tables: explicit, versioned Arrow schemas.

Types are never inferred from data. A change to any schema here raises
`SCHEMA_VERSION`; a golden test pins them.
"""

from __future__ import annotations

from collections.abc import Iterable

import pyarrow as pa

from schemas.item_tables import LEFT_OUT_TYPE

SCHEMA_VERSION = 6

TIMESTAMP = pa.timestamp("us", tz="UTC")

KEY_FIELDS = [
    pa.field("item_id", pa.string(), nullable=False),
    pa.field("task", pa.string(), nullable=False),
]

PROVENANCE_FIELDS = [
    pa.field("uris", pa.list_(pa.string()), nullable=False),
    # The manifest's columns that were to be carried, as a JSON object.
    pa.field("carried", pa.string()),
    pa.field("item_version", pa.string(), nullable=False),
    pa.field("fingerprint", pa.string(), nullable=False),
    pa.field("model", pa.string(), nullable=False),
    pa.field("model_revision", pa.string()),
    pa.field("run_id", pa.string(), nullable=False),
    pa.field("created_at", TIMESTAMP, nullable=False),
    pa.field("source_width", pa.int32()),
    pa.field("source_height", pa.int32()),
    pa.field("frame_pts", pa.list_(pa.float64())),
    # The moment for which each of these frames was taken.
    pa.field("requested_pts", pa.list_(pa.float64())),
    # Images of the item that the model did not see.
    pa.field("left_out", pa.list_(LEFT_OUT_TYPE)),
    # Columns of the manifest of which the model was shown only a part.
    pa.field("context_cut", pa.list_(pa.string())),
    pa.field("image_tokens", pa.int32(), nullable=False),
    pa.field("prompt_tokens", pa.int32(), nullable=False),
    pa.field("output_tokens", pa.int32(), nullable=False),
    pa.field("finish_reason", pa.string(), nullable=False),
    pa.field("attempt", pa.int32(), nullable=False),
    # What had to be changed of the request until the model answered, in order.
    pa.field("repairs", pa.list_(pa.string())),
    # The item whose answer this is, because both show the same; how far their looks are
    # apart if they are not the same bytes.
    pa.field("copied_from", pa.string()),
    pa.field("copy_distance", pa.int32()),
    # By which later runs find an item that shows the same: what is known of its files unread,
    # and what reading them told.
    pa.field("content_key", pa.int64()),
    pa.field("content_digest", pa.string()),
    # Since when the input does not list the item any more.
    pa.field("gone_at", TIMESTAMP),
    # Answer columns that people have set; no run overwrites them.
    pa.field("locked", pa.list_(pa.string())),
]


def result_schema(answer_fields: Iterable[pa.Field]) -> pa.Schema:
    """The schema of a result table: key, the task's own columns, provenance."""
    return pa.schema([*KEY_FIELDS, *answer_fields, *PROVENANCE_FIELDS])


FAILURES_TABLE = "failures"
FAILURES_SCHEMA = pa.schema(
    [
        *KEY_FIELDS,
        pa.field("kind", pa.string(), nullable=False),
        pa.field("uris", pa.list_(pa.string()), nullable=False),
        pa.field("item_version", pa.string(), nullable=False),
        pa.field("fingerprint", pa.string(), nullable=False),
        pa.field("stage", pa.string(), nullable=False),
        pa.field("code", pa.string(), nullable=False),
        pa.field("message", pa.string(), nullable=False),
        pa.field("retryable", pa.bool_(), nullable=False),
        pa.field("raw_text", pa.string()),
        pa.field("exception", pa.string()),
        pa.field("attempts", pa.int32(), nullable=False),
        pa.field("run_id", pa.string(), nullable=False),
        pa.field("first_failed_at", TIMESTAMP),
        pa.field("failed_at", TIMESTAMP, nullable=False),
    ]
)

WINDOWS_TASK = "video_windows"
"""Name of the task, and of its table, that describes the windows of long videos."""

RUNS_TABLE = "runs"
RUNS_SCHEMA = pa.schema(
    [
        pa.field("run_id", pa.string(), nullable=False),
        pa.field("job", pa.string(), nullable=False),
        pa.field("spec", pa.string(), nullable=False),
        pa.field("schema_version", pa.int32(), nullable=False),
        pa.field("tagline_version", pa.string(), nullable=False),
        pa.field("started_at", TIMESTAMP, nullable=False),
        pa.field("finished_at", TIMESTAMP, nullable=False),
        pa.field("outcome", pa.string(), nullable=False),
        pa.field("items_listed", pa.int64(), nullable=False),
        pa.field("items_current", pa.int64(), nullable=False),
        pa.field("items_planned", pa.int64(), nullable=False),
        pa.field("items_done", pa.int64(), nullable=False),
        pa.field("items_failed", pa.int64(), nullable=False),
        pa.field("rows_written", pa.int64(), nullable=False),
        pa.field("image_tokens", pa.int64(), nullable=False),
        pa.field("prompt_tokens", pa.int64(), nullable=False),
        pa.field("output_tokens", pa.int64(), nullable=False),
        pa.field("engine_start_s", pa.float64(), nullable=False),
        pa.field("annotate_s", pa.float64(), nullable=False),
    ]
)

RESERVED_TABLES = frozenset({FAILURES_TABLE, RUNS_TABLE, WINDOWS_TASK, "_tagline"})
"""Names below an output that no task's table may have."""
