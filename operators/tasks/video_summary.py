"""Summarise a video."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from pydantic import Field

from operators.tasks.arrow import Row
from operators.tasks.base import Subject, Task, TaskOptions
from operators.tasks.forms import Answer, form, line, list_of
from operators.tasks.spans import Span, seconds, span_form
from schemas.media import Frames, MediaKind

MAX_TITLE_CHARS = 80
MAX_TEXT_CHARS = 300
MAX_POINT_CHARS = 160
MAX_TAG_CHARS = 40


class VideoSummaryOptions(TaskOptions):
    """Options of `video_summary`."""

    style: Literal["catalogue", "lecture"] = Field(
        default="catalogue",
        description="lecture: for teaching videos; adds questions that a learner should be "
        "able to answer, and asks for key points of the subject.",
    )
    max_chars: int = Field(
        default=800, ge=20, le=8000, description="Longest summary, in characters."
    )
    max_chapters: int = Field(default=6, ge=1, le=50, description="Most chapters.")
    max_moments: int = Field(default=8, ge=1, le=50, description="Most key moments.")
    max_points: int = Field(default=5, ge=0, le=50, description="Most key points.")
    max_questions: int = Field(
        default=5, ge=1, le=50, description="Most questions; style lecture only."
    )
    max_tags: int = Field(default=8, ge=1, le=50, description="Most tags.")
    language: str = Field(default="English", description="Language of the answer.")


class Chapter(Span):
    """A stretch of the video with one subject."""

    title: str
    text: str


class Moment(Span):
    """Something that happens."""

    title: str


class VideoSummaryRow(Row):
    """Columns of table ``video_summaries``."""

    summary: str
    chapters: list[Chapter]
    key_moments: list[Moment]
    key_points: list[str]
    questions: list[str]
    tags: list[str]
    duration_s: float | None


class VideoSummary(Task):
    """Summarise a video with chapters, key moments, key points and tags.

    The model points at frames by number, never at seconds: the seconds of a chapter or key
    moment are the presentation times of the frames it names, so they always lie in the
    video. Style ``lecture`` is for teaching: key points of the subject, and questions.
    """

    id = "video_summary"
    version = 2
    summary = "Summarise a video, with chapters, key moments and key points."
    takes = frozenset({MediaKind.VIDEO})
    table = "video_summaries"
    Options = VideoSummaryOptions
    Columns = VideoSummaryRow
    instruction = """
{% if options.style == "lecture" %}
You summarise teaching videos for learners.
{% else %}
You summarise videos for a catalogue.
{% endif %}
You are shown frames of one video in order, numbered from 1. Write in {{ options.language }}:
a summary of at most {{ options.max_chars }} characters; up to {{ options.max_chapters }}
chapters in order, each with the numbers of its first and last frame, a short title and what
happens in it; up to {{ options.max_moments }} key moments in order, likewise; up to
{{ options.max_points }} key points{% if options.style == "lecture" %} of what is taught, and up
to {{ options.max_questions }} questions that a learner should be able to answer{% endif %};
and up to {{ options.max_tags }} tags. Say only what is visible.
"""
    item_prompt = """
These are {{ shown.count }} frames of a video{% if shown.duration_s %} of {{ "%.1f" |
format(shown.duration_s) }} seconds{% endif %}. Frame number and second: {{ shown.times }}.
Summarise the video.
"""

    sample: ClassVar[dict[str, Any]] = {
        "summary": "A ball rolls over a table and falls.",
        "chapters": [
            {"first_frame": 1, "last_frame": 2, "title": "Rolling", "text": "It rolls."}
        ],
        "key_moments": [{"first_frame": 2, "last_frame": 2, "title": "It falls"}],
        "key_points": ["Things fall off tables."],
        "tags": ["ball", "table"],
    }

    def answer(self, options: VideoSummaryOptions, count: int) -> type[Answer]:
        """See `Task.answer`."""
        title = line(MAX_TITLE_CHARS)
        chapter = span_form("Chapter", count, title=title, text=line(MAX_TEXT_CHARS))
        moment = span_form("Moment", count, title=title)
        fields: dict[str, Any] = {
            "summary": line(options.max_chars),
            "chapters": list_of(chapter, options.max_chapters, least=1),
            "key_moments": list_of(moment, options.max_moments, least=1),
            "key_points": list_of(line(MAX_POINT_CHARS), options.max_points),
        }
        if options.style == "lecture":
            fields["questions"] = list_of(line(MAX_POINT_CHARS), options.max_questions, least=1)
        fields["tags"] = list_of(line(MAX_TAG_CHARS), options.max_tags)
        return form("VideoSummaryAnswer", **fields)

    def row(
        self, options: VideoSummaryOptions, answer: Any, subject: Subject
    ) -> VideoSummaryRow:
        """See `Task.row`."""
        frames = subject.frames
        moments = [Moment(title=m.title, **seconds(m, frames)) for m in answer.key_moments]
        return VideoSummaryRow(
            summary=answer.summary,
            chapters=_in_order(answer.chapters, frames),
            key_moments=sorted(moments, key=lambda m: (m.start_s, m.end_s)),
            key_points=answer.key_points,
            questions=answer.questions if options.style == "lecture" else [],
            tags=list(dict.fromkeys(tag.lower() for tag in answer.tags)),
            duration_s=frames.duration_s,
        )


def _in_order(chapters: list[Any], frames: Frames) -> list[Chapter]:
    """Chapters by their begin; where two overlap, the later one begins after the earlier.

    One that has no frame left is covered by the one before, and is left out.
    """
    placed: list[Chapter] = []
    for chapter in sorted(chapters, key=lambda c: sorted((c.first_frame, c.last_frame))):
        span = seconds(chapter, frames)
        taken = placed[-1].end_s if placed else float("-inf")
        free = [pts for pts in span["frame_pts"] if pts > taken]
        if free:
            placed.append(
                Chapter(
                    start_s=free[0],
                    end_s=free[-1],
                    frame_pts=free,
                    title=chapter.title,
                    text=chapter.text,
                )
            )
    return placed
