"""The Arrow tables in which items travel: plan, decoded, annotated.

Three schemas, one a leg of the way::

    plan        -> fetch + decode ->   decoded        -> annotate ->   annotated
    one an item                        one an item                     one an (item, task)
                                       or part of a video

An item that fails on its way keeps travelling with its failure filled in, so that
every leg has as many items out as in.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Mapping
from typing import Any

import pyarrow as pa

from schemas.failure import FailureCode, ItemFailure, Stage
from schemas.item import DecodedItem, Elder, Item, LeftOut, Medium, PendingTask
from schemas.media import Cue, Frames, MediaKind, Part

MEDIUM_TYPE = pa.struct(
    [
        pa.field("uri", pa.string(), nullable=False),
        pa.field("size", pa.int64()),
        pa.field("version", pa.string()),
        pa.field("inside", pa.string()),
    ]
)

FAILURE_TYPE = pa.struct(
    [
        pa.field("stage", pa.string(), nullable=False),
        pa.field("code", pa.string(), nullable=False),
        pa.field("message", pa.string(), nullable=False),
        pa.field("raw_text", pa.string()),
        pa.field("exception", pa.string()),
    ]
)

ELDER_TYPE = pa.struct(
    [
        pa.field("item_id", pa.string(), nullable=False),
        pa.field("digest", pa.string(), nullable=False),
    ]
)

PENDING_TASK_TYPE = pa.struct(
    [
        pa.field("name", pa.string(), nullable=False),
        pa.field("fingerprint", pa.string(), nullable=False),
        pa.field("replaces", pa.bool_(), nullable=False),
        pa.field("attempt", pa.int32(), nullable=False),
        pa.field("failed_before", pa.bool_(), nullable=False),
        pa.field("elders", pa.list_(ELDER_TYPE)),
    ]
)

LEFT_OUT_TYPE = pa.struct(
    [
        pa.field("index", pa.int32(), nullable=False),
        pa.field("code", pa.string(), nullable=False),
        pa.field("message", pa.string(), nullable=False),
    ]
)

CUE_TYPE = pa.struct(
    [
        pa.field("start_s", pa.float64(), nullable=False),
        pa.field("end_s", pa.float64(), nullable=False),
        pa.field("text", pa.string(), nullable=False),
    ]
)

LISTED_FIELDS = [
    pa.field("item_id", pa.string(), nullable=False),
    pa.field("kind", pa.string(), nullable=False),
    pa.field("item_version", pa.string(), nullable=False),
    pa.field("media", pa.list_(MEDIUM_TYPE), nullable=False),
    # A video's subtitles in a file of their own.
    pa.field("subtitles", MEDIUM_TYPE),
    # What came with the item, as JSON objects: for prompts, and for the output's rows.
    pa.field("context", pa.string()),
    pa.field("carried", pa.string()),
]
"""An item as a source gives it, before tasks are planned for it."""

_ITEM_FIELDS = [
    *LISTED_FIELDS,
    # What the output holds of a video's windows, as a JSON object, if that is current.
    pa.field("windows", pa.string()),
    # What items that may show the very same have in common, in any run; and in this one.
    pa.field("content_key", pa.int64()),
    pa.field("twin", pa.string()),
    # What pictures have in common that may take one another's answer if they look alike.
    pa.field("alike", pa.string()),
    pa.field("tasks", pa.list_(PENDING_TASK_TYPE), nullable=False),
]

PLAN_SCHEMA = pa.schema(_ITEM_FIELDS)

DECODED_SCHEMA = pa.schema(
    [
        *_ITEM_FIELDS,
        # Which part of a video that was cut into windows; null for what travels in one row.
        pa.field("part", pa.int32()),
        pa.field("parts", pa.int32()),
        pa.field("pixels", pa.large_binary()),
        pa.field("heights", pa.list_(pa.int32())),
        pa.field("widths", pa.list_(pa.int32())),
        pa.field("pts_s", pa.list_(pa.float64())),
        pa.field("requested_s", pa.list_(pa.float64())),
        pa.field("source_width", pa.int32()),
        pa.field("source_height", pa.int32()),
        pa.field("duration_s", pa.float64()),
        pa.field("source_format", pa.string()),
        pa.field("cues", pa.list_(CUE_TYPE)),
        pa.field("left_out", pa.list_(LEFT_OUT_TYPE)),
        pa.field("digest", pa.string()),
        pa.field("look", pa.binary()),
        pa.field("failure", FAILURE_TYPE),
    ]
)

ANNOTATED_SCHEMA = pa.schema(
    [
        pa.field("item_id", pa.string(), nullable=False),
        pa.field("kind", pa.string(), nullable=False),
        pa.field("item_version", pa.string(), nullable=False),
        pa.field("uris", pa.list_(pa.string()), nullable=False),
        pa.field("carried", pa.string()),
        pa.field("task", pa.string(), nullable=False),
        pa.field("fingerprint", pa.string(), nullable=False),
        pa.field("replaces", pa.bool_(), nullable=False),
        pa.field("attempt", pa.int32(), nullable=False),
        pa.field("failed_before", pa.bool_(), nullable=False),
        # The task's answer columns as one JSON object; null if it failed.
        pa.field("answer", pa.string()),
        pa.field("failure", FAILURE_TYPE),
        pa.field("frame_pts", pa.list_(pa.float64())),
        pa.field("requested_pts", pa.list_(pa.float64())),
        pa.field("source_width", pa.int32()),
        pa.field("source_height", pa.int32()),
        pa.field("left_out", pa.list_(LEFT_OUT_TYPE)),
        pa.field("context_cut", pa.list_(pa.string())),
        pa.field("image_tokens", pa.int32()),
        pa.field("prompt_tokens", pa.int32()),
        pa.field("output_tokens", pa.int32()),
        pa.field("finish_reason", pa.string()),
        pa.field("engine_tries", pa.int32()),
        # What had to be changed of the request until the model answered, in order.
        pa.field("repairs", pa.list_(pa.string())),
        pa.field("content_key", pa.int64()),
        pa.field("content_digest", pa.string()),
        # Null if no other row may take this one's answer, nor this one another's.
        pa.field("twin", pa.string()),
        # The item whose answer this row is to take; it has none itself then. How far their
        # looks are apart; null if they show the very same. Whether an earlier run gave it.
        pa.field("copied_from", pa.string()),
        pa.field("copy_distance", pa.int32()),
        pa.field("of_elder", pa.bool_(), nullable=False),
    ]
)


def item_from_row(row: dict) -> Item:
    """Rebuild an item from a row of the plan or of a decoded batch."""
    return Item(
        item_id=row["item_id"],
        kind=MediaKind(row["kind"]),
        item_version=row["item_version"],
        media=tuple(Medium(**medium) for medium in row["media"]),
        tasks=tuple(_pending_from_row(task) for task in row["tasks"]),
        context=json.loads(row["context"]) if row["context"] else {},
        carried=row["carried"],
        subtitles=Medium(**row["subtitles"]) if row["subtitles"] else None,
        windows=row["windows"],
        content_key=row["content_key"],
        twin=row["twin"],
        alike=row["alike"],
    )


def _pending_from_row(task: dict) -> PendingTask:
    return PendingTask(**{**task, "elders": tuple(Elder(**e) for e in task["elders"] or ())})


def _pending_to_row(task: PendingTask) -> dict:
    return {**vars(task), "elders": [vars(elder) for elder in task.elders] or None}


def context_to_json(context: Mapping[str, Any]) -> str | None:
    """The Arrow form of what came with an item."""
    return _AS_TEXT.encode(dict(context)) if context else None


# Made once: `json.dumps` makes an encoder at each call, and a listing has millions.
_AS_TEXT = json.JSONEncoder(ensure_ascii=False)


def _item_columns(items: list[Item]) -> dict[str, list]:
    return {
        "item_id": [item.item_id for item in items],
        "kind": [str(item.kind) for item in items],
        "item_version": [item.item_version for item in items],
        "media": [[vars(medium) for medium in item.media] for item in items],
        "subtitles": [item.subtitles and vars(item.subtitles) for item in items],
        "context": [context_to_json(item.context) for item in items],
        "carried": [item.carried for item in items],
        "windows": [item.windows for item in items],
        "content_key": [item.content_key for item in items],
        "twin": [item.twin for item in items],
        "alike": [item.alike for item in items],
        "tasks": [[_pending_to_row(task) for task in item.tasks] for item in items],
    }


def items_to_plan(items: list[Item]) -> pa.Table:
    """Pack items into a table of `PLAN_SCHEMA`."""
    return pa.table(_item_columns(items), schema=PLAN_SCHEMA)


def plan_to_items(table: pa.Table) -> list[Item]:
    """Unpack a table of `PLAN_SCHEMA`."""
    return [item_from_row(row) for row in table.select(PLAN_SCHEMA.names).to_pylist()]


def failure_to_struct(failure: ItemFailure | None) -> dict | None:
    """The Arrow form of a failure."""
    if failure is None:
        return None
    return {
        "stage": str(failure.stage),
        "code": str(failure.code),
        "message": failure.message,
        "raw_text": failure.raw_text,
        "exception": failure.exception,
    }


def failure_from_struct(struct: dict | None) -> ItemFailure | None:
    """The inverse of `failure_to_struct`."""
    if struct is None:
        return None
    return ItemFailure(
        Stage(struct["stage"]),
        FailureCode(struct["code"]),
        struct["message"],
        raw_text=struct["raw_text"],
        exception=struct["exception"],
    )


def _pixel_array(decoded: list[DecodedItem]) -> pa.Array:
    """The pixels as large_binary; an item's only copy on its way into the object store.

    Laid out here: `pyarrow.array` never lets go of a memoryview that it was given.
    """
    views = [None if one.frames is None else memoryview(one.frames.pixels) for one in decoded]
    ends = list(itertools.accumulate((view.nbytes if view else 0 for view in views), initial=0))
    pixels = pa.allocate_buffer(ends[-1])
    with memoryview(pixels).cast("B") as into:
        for start, view in zip(ends, views, strict=False):
            if view is not None:
                into[start : start + view.nbytes] = view.cast("B")
    is_there = pa.array([view is not None for view in views], pa.bool_())
    offsets = pa.array(ends, pa.int64())
    layout = [is_there.buffers()[1], offsets.buffers()[1], pixels]
    return pa.Array.from_buffers(pa.large_binary(), len(views), layout)


def decoded_to_table(decoded: list[DecodedItem]) -> pa.Table:
    """Pack decoded items into a table of `DECODED_SCHEMA`."""
    frames = [one.frames for one in decoded]
    columns = _item_columns([one.item for one in decoded]) | {
        "part": [one.part and one.part.number for one in decoded],
        "parts": [one.part and one.part.count for one in decoded],
        "pixels": _pixel_array(decoded),
        "heights": [None if f is None else [h for h, _ in f.shapes] for f in frames],
        "widths": [None if f is None else [w for _, w in f.shapes] for f in frames],
        "pts_s": [None if f is None else list(f.pts_s) for f in frames],
        "requested_s": [None if f is None else list(f.requested_s) for f in frames],
        "source_width": [None if f is None else f.source_width for f in frames],
        "source_height": [None if f is None else f.source_height for f in frames],
        "duration_s": [None if f is None else f.duration_s for f in frames],
        "source_format": [None if f is None else f.source_format for f in frames],
        "cues": [None if f is None else [vars(cue) for cue in f.cues] for f in frames],
        "left_out": [[vars(left) for left in one.left_out] for one in decoded],
        "digest": [one.digest for one in decoded],
        "look": [one.look for one in decoded],
        "failure": [failure_to_struct(one.failure) for one in decoded],
    }
    return pa.table(columns, schema=DECODED_SCHEMA)


def table_to_decoded(table: pa.Table) -> list[DecodedItem]:
    """Unpack a table of `DECODED_SCHEMA` without copying pixels.

    The frames' buffers are views into the table's memory and keep it alive.
    """
    pixels = table.column("pixels")
    rows = table.drop_columns(["pixels"]).to_pylist()
    decoded = []
    for index, row in enumerate(rows):
        buffer = pixels[index].as_buffer()
        decoded.append(
            DecodedItem(
                item=item_from_row(row),
                frames=None if buffer is None else _frames_from_row(row, memoryview(buffer)),
                failure=failure_from_struct(row["failure"]),
                left_out=tuple(LeftOut(**left) for left in row["left_out"] or ()),
                part=None if row["part"] is None else Part(row["part"], row["parts"]),
                digest=row["digest"],
                look=row["look"],
            )
        )
    return decoded


def _frames_from_row(row: dict, pixels: memoryview) -> Frames:
    return Frames(
        kind=MediaKind(row["kind"]),
        pixels=pixels,
        shapes=tuple(zip(row["heights"], row["widths"], strict=True)),
        pts_s=tuple(row["pts_s"]),
        requested_s=tuple(row["requested_s"]),
        source_width=row["source_width"],
        source_height=row["source_height"],
        duration_s=row["duration_s"],
        source_format=row["source_format"],
        cues=tuple(Cue(**cue) for cue in row["cues"] or ()),
    )
