"""What became of one part of a long video, as it travels to the part that completes it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from operators.talks import Seen, Talk
from operators.tasks.video_windows import DescribedWindow, VideoWindowsRow
from schemas.failure import ItemFailure
from schemas.item import DecodedItem, LeftOut
from schemas.item_tables import failure_from_struct, failure_to_struct


@dataclass
class Outcome:
    """Of a window its description, of the last part the rows of the tasks it was for.

    Attributes:
        rows: Of `ANNOTATED_SCHEMA`.
        window: A `DescribedWindow`.
        failure: Why there is none, as a struct.
        seen: What the model was shown, and what that cost, as a `Seen`.
        duration_s: Of the video.
        context_cut: What it was shown only in part.
        tries: How often the engine was asked.
        repairs: What was changed of what it was asked.
        left_out: Of the last part what of the item's files is not shown.
    """

    rows: list[dict[str, Any]] = field(default_factory=list)
    window: dict[str, Any] | None = None
    failure: dict[str, Any] | None = None
    seen: dict[str, Any] = field(default_factory=dict)
    duration_s: float | None = None
    context_cut: list[str] = field(default_factory=list)
    tries: int = 0
    repairs: list[str] = field(default_factory=list)
    left_out: list[dict[str, Any]] = field(default_factory=list)

    def to_json(self) -> str:
        """As text."""
        return json.dumps(asdict(self))

    @staticmethod
    def from_json(text: str) -> Outcome:
        """The inverse of `to_json`."""
        return Outcome(**json.loads(text))


def of_window(decoded: DecodedItem, talk: Talk) -> Outcome:
    """The outcome of a talk about a window."""
    frames, part = decoded.frames, decoded.part
    assert frames is not None
    assert part is not None
    failure = talk.failure
    if failure is not None:
        where = f"window {part.number + 1}, from {frames.pts_s[0]:.1f} s: {failure.message}"
        failure = ItemFailure(failure.stage, failure.code, where, raw_text=failure.raw_text)
    return Outcome(
        window=None if talk.row is None else talk.row.model_dump(),
        failure=failure_to_struct(failure),
        seen=asdict(talk.total()),
        duration_s=frames.duration_s,
        context_cut=talk.context_cut,
        tries=talk.tries,
        repairs=talk.repairs,
    )


@dataclass(frozen=True)
class Gathered:
    """The parts of a long video together.

    Attributes:
        rows: Those of the tasks that do not go by windows.
        video: Its windows; None if one of its parts failed.
        failure: The first part's that failed.
        seen: What the model was shown in all windows, and what that cost.
        context_cut: What it was shown only in part.
        tries: How often the engine was asked.
        repairs: What was changed of what it was asked, window by window.
        left_out: What of the item's files is not shown.
    """

    rows: list[dict[str, Any]]
    video: VideoWindowsRow | None
    failure: ItemFailure | None
    seen: Seen
    context_cut: list[str]
    tries: int
    repairs: list[str]
    left_out: tuple[LeftOut, ...]


def gather(outcomes: Sequence[str]) -> Gathered:
    """Put the outcomes of an item's parts together, in their order."""
    parts = [Outcome.from_json(text) for text in outcomes]
    windows = [DescribedWindow.model_validate(one.window) for one in parts if one.window]
    failures = [failure_from_struct(one.failure) for one in parts if one.failure]
    video = None
    if not failures:
        video = VideoWindowsRow(windows=windows, duration_s=parts[0].duration_s)
    return Gathered(
        rows=[row for one in parts for row in one.rows],
        video=video,
        failure=failures[0] if failures else None,
        seen=_sum([Seen(**one.seen) for one in parts if one.seen]),
        context_cut=sorted({column for one in parts for column in one.context_cut}),
        tries=sum(one.tries for one in parts),
        repairs=[rung for one in parts for rung in one.repairs],
        left_out=tuple(LeftOut(**left) for left in parts[-1].left_out),
    )


def _sum(seen: Sequence[Seen]) -> Seen:
    if not seen:
        return Seen()
    return Seen(
        frame_pts=tuple(pts for one in seen for pts in one.frame_pts),
        width=seen[0].width,
        height=seen[0].height,
        requested_pts=tuple(moment for one in seen for moment in one.requested_pts),
        image_tokens=sum(one.image_tokens for one in seen),
        prompt_tokens=sum(one.prompt_tokens for one in seen),
        output_tokens=sum(one.output_tokens for one in seen),
        finish_reason=seen[-1].finish_reason,
    )


def recall(windows: str) -> tuple[VideoWindowsRow, Seen]:
    """What an item brings along of its windows: the row, and what the model was shown then.

    Args:
        windows: `schemas.item.Item.windows`.
    """
    known = json.loads(windows)
    width, height = known.pop("source_width"), known.pop("source_height")
    video = VideoWindowsRow.model_validate(known)
    frame_pts = tuple(pts for window in video.windows for pts in window.frame_pts)
    return video, Seen(frame_pts, width, height)
