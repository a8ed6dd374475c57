"""Judge the mood of a video, on the whole and over time."""

from __future__ import annotations

from typing import Any, ClassVar

from pydantic import Field

from operators.tasks.arrow import Row
from operators.tasks.base import Subject, Task
from operators.tasks.forms import Answer, form, line, list_of, one_of
from operators.tasks.sentiment import POLARITIES, SentimentOptions
from operators.tasks.spans import Span, seconds, span_form
from schemas.media import MediaKind


class VideoSentimentOptions(SentimentOptions):
    """Options of `video_sentiment`."""

    max_spans: int = Field(default=8, ge=1, le=100, description="Most parts of the timeline.")


class MoodSpan(Span):
    """Part of a video with one mood."""

    label: str
    emotion: str


class VideoSentimentRow(Row):
    """Columns of table ``video_sentiments``."""

    label: str
    evidence: str
    timeline: list[MoodSpan]


class VideoSentiment(Task):
    """Judge the mood that a video conveys: on the whole, and how it changes."""

    id = "video_sentiment"
    version = 1
    summary = "Judge the mood of a video, on the whole and over time."
    takes = frozenset({MediaKind.VIDEO})
    table = "video_sentiments"
    Options = VideoSentimentOptions
    Columns = VideoSentimentRow
    instruction = """
You judge the mood that videos convey. You are shown frames of one video in order, numbered
from 1. First the timeline: at most {{ options.max_spans }} parts in order, each with the
numbers of its first and last frame, a label, and an emotion out of:
{{ options.emotions | join(", ") }}. Then the visible evidence in {{ options.language }}, at
most {{ options.max_chars }} characters, and one label for the whole video.
"""
    item_prompt = """
These are {{ shown.count }} frames of a video. Frame number and second: {{ shown.times }}.
Judge its mood.
"""

    sample: ClassVar[dict[str, Any]] = {
        "timeline": [
            {"first_frame": 1, "last_frame": 2, "label": "positive", "emotion": "joy"}
        ],
        "evidence": "People laugh.",
        "label": "positive",
    }

    def answer(self, options: VideoSentimentOptions, count: int) -> type[Answer]:
        """See `Task.answer`."""
        part = span_form(
            "MoodAnswer", count, label=one_of(POLARITIES), emotion=one_of(options.emotions)
        )
        return form(
            "VideoSentimentAnswer",
            timeline=list_of(part, options.max_spans, least=1),
            evidence=line(options.max_chars),
            label=one_of(POLARITIES),
        )

    def row(
        self, options: VideoSentimentOptions, answer: Any, subject: Subject
    ) -> VideoSentimentRow:
        """See `Task.row`."""
        spans = [
            MoodSpan(label=p.label, emotion=p.emotion, **seconds(p, subject.frames))
            for p in answer.timeline
        ]
        return VideoSentimentRow(
            label=answer.label,
            evidence=answer.evidence,
            timeline=sorted(spans, key=lambda span: (span.start_s, span.end_s)),
        )
