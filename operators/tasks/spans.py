"""Spans of a video, which a model names by frame numbers and a row gives in seconds."""

from __future__ import annotations

from typing import Any

from operators.tasks.arrow import Row
from operators.tasks.forms import Answer, form, whole
from schemas.media import Frames


class Span(Row):
    """Part of a video, from the first to the last frame that the model saw of it."""

    start_s: float
    end_s: float
    frame_pts: list[float]


def span_form(name: str, frame_count: int, **fields: Any) -> type[Answer]:
    """A form that begins with the numbers of a span's first and last frame, from 1."""
    frame = whole(1, frame_count)
    return form(name, first_frame=frame, last_frame=frame, **fields)


def seconds(span: Any, frames: Frames) -> dict[str, Any]:
    """The fields of a `Span`: presentation times of the frames that an answer names.

    They lie in the video whatever the model says. The two ends may come in either order.
    """
    first, last = sorted((span.first_frame, span.last_frame))
    seen = list(frames.pts_s[first - 1 : last])
    return {"start_s": seen[0], "end_s": seen[-1], "frame_pts": seen}
