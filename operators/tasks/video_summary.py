"""Summarise a video."""

from __future__ import annotations

from typing import Annotated, Any

import pyarrow as pa
from pydantic import Field

from operators.tasks.base import (
    Answer,
    Task,
    TaskOptions,
    bounded_string,
    closed_object,
    one_line,
    read_answer,
    written_line,
)
from schemas.failure import FailureCode, ItemFailure, Stage
from schemas.media import Frames, MediaKind

MAX_TITLE_CHARS = 80
MAX_TAG_CHARS = 40

MOMENT_TYPE = pa.struct(
    [
        pa.field("start_s", pa.float64(), nullable=False),
        pa.field("end_s", pa.float64(), nullable=False),
        pa.field("title", pa.string(), nullable=False),
        # The frames that the model saw of this moment.
        pa.field("frame_pts", pa.list_(pa.float64()), nullable=False),
    ]
)


class VideoSummaryOptions(TaskOptions):
    """Options of `video_summary`."""

    max_chars: Annotated[int, Field(ge=20, le=8000)] = Field(
        default=800, description="Longest summary, in characters."
    )
    max_moments: Annotated[int, Field(ge=1, le=50)] = Field(
        default=8, description="Most key moments."
    )
    max_tags: Annotated[int, Field(ge=1, le=50)] = Field(default=8, description="Most tags.")
    language: str = Field(default="English", description="Language of the answer.")
    prompt: str | None = Field(
        default=None, description="Replaces the instruction that the model is given."
    )


class _Moment(Answer):
    first_frame: int
    last_frame: int
    title: Annotated[str, Field(min_length=1)]


class VideoSummaryAnswer(Answer):
    """What the model writes."""

    summary: Annotated[str, Field(min_length=1)]
    key_moments: list[_Moment]
    tags: list[str]


class VideoSummary(Task):
    """Summarise a video with key moments and tags.

    The model points at frames by number, never at seconds: the seconds of a key moment
    are the presentation times of the frames it names, so they always lie in the video.
    """

    id = "video_summary"
    version = 1
    summary = "Summarise a video, with key moments in seconds and tags."
    takes = frozenset({MediaKind.VIDEO})
    table = "video_summaries"
    columns = (
        pa.field("summary", pa.string(), nullable=False),
        pa.field("key_moments", pa.list_(MOMENT_TYPE), nullable=False),
        pa.field("tags", pa.list_(pa.string()), nullable=False),
        pa.field("duration_s", pa.float64()),
    )
    Options = VideoSummaryOptions

    def system(self, options: VideoSummaryOptions) -> str:
        """See `Task.system`."""
        instruction = options.prompt or (
            "You summarise videos for a catalogue. You are shown frames of one video in "
            f"order. Write in {options.language}: a summary of at most {options.max_chars} "
            f"characters, up to {options.max_moments} key moments in order, each with the "
            "numbers of its first and last frame and a short title, and up to "
            f"{options.max_tags} tags. Say only what is visible."
        )
        form = (
            '{"summary": "...", "key_moments": [{"first_frame": 1, "last_frame": 2, '
            '"title": "..."}], "tags": ["..."]}'
        )
        return f"{instruction}\nAnswer as JSON: {form}"

    def user(self, options: VideoSummaryOptions, frames: Frames) -> str:
        """See `Task.user`."""
        times = ", ".join(f"{i}: {pts:.1f}" for i, pts in enumerate(frames.pts_s, start=1))
        length = "" if frames.duration_s is None else f" of {frames.duration_s:.1f} seconds"
        return (
            f"These are {len(frames.pts_s)} frames of a video{length}. "
            f"Frame number and second: {times}. Summarise the video."
        )

    def answer_schema(self, options: VideoSummaryOptions, frame_count: int) -> dict[str, Any]:
        """See `Task.answer_schema`."""
        frame = {"type": "integer", "minimum": 1, "maximum": frame_count}
        moment = closed_object(
            {
                "first_frame": frame,
                "last_frame": frame,
                "title": bounded_string(MAX_TITLE_CHARS),
            }
        )
        return closed_object(
            {
                "summary": bounded_string(options.max_chars),
                "key_moments": {
                    "type": "array",
                    "items": moment,
                    "minItems": 1,
                    "maxItems": options.max_moments,
                },
                "tags": {
                    "type": "array",
                    "items": bounded_string(MAX_TAG_CHARS),
                    "maxItems": options.max_tags,
                },
            }
        )

    def max_tokens(self, options: VideoSummaryOptions) -> int:
        """See `Task.max_tokens`."""
        moments = options.max_moments * (MAX_TITLE_CHARS + 40)
        return 64 + options.max_chars + moments + options.max_tags * (MAX_TAG_CHARS + 8)

    def read(self, text: str, options: VideoSummaryOptions, frames: Frames) -> dict[str, Any]:
        """See `Task.read`."""
        answer = read_answer(VideoSummaryAnswer, text)
        moments = [_timed(moment, frames, text) for moment in answer.key_moments]
        tags = [tag for tag in (one_line(tag).lower() for tag in answer.tags) if tag]
        return {
            "summary": written_line(answer.summary, text),
            "key_moments": sorted(moments, key=lambda m: (m["start_s"], m["end_s"])),
            "tags": list(dict.fromkeys(tags)),
            "duration_s": frames.duration_s,
        }


def _timed(moment: _Moment, frames: Frames, text: str) -> dict[str, Any]:
    """Turn frame numbers into seconds; the two ends may come in either order."""
    first, last = sorted((moment.first_frame, moment.last_frame))
    if first < 1 or last > len(frames.pts_s):
        raise ItemFailure(
            Stage.PARSE,
            FailureCode.UNPARSABLE,
            f"a key moment names frames {first} to {last} of {len(frames.pts_s)}",
            raw_text=text,
        )
    seen = list(frames.pts_s[first - 1 : last])
    return {
        "start_s": seen[0],
        "end_s": seen[-1],
        "title": written_line(moment.title, text),
        "frame_pts": seen,
    }
