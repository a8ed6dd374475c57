"""Summarise a video."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from pydantic import Field

from operators.tasks.arrow import Row
from operators.tasks.base import (
    Conversation,
    Question,
    Subject,
    TaskOptions,
    data_lines,
    unwrapped,
)
from operators.tasks.chapters import Chapter, NamedSpan, in_order
from operators.tasks.forms import Answer, example, form, json_schema, line, list_of, whole
from operators.tasks.prompts import Context, Shown, render
from operators.tasks.sections import (
    MOST_PARTS,
    DescribedPart,
    listed,
    moments_of,
    parts_of,
    sections,
    system_of,
)
from operators.tasks.spans import seconds, span_form
from operators.tasks.video_windows import (
    Moment,
    VideoWindows,
    VideoWindowsRow,
    WindowedTask,
)
from schemas.failure import FailureCode, ItemFailure
from schemas.media import NO_FRAMES, MediaKind

MAX_TITLE_CHARS = 80
MAX_TEXT_CHARS = 300
MAX_POINT_CHARS = 160
MAX_TAG_CHARS = 40

FEWEST_PARTS = 3
"""A context that cannot hold the descriptions of so many is too small."""


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


class VideoSummaryRow(Row):
    """Columns of table ``video_summaries``."""

    summary: str
    chapters: list[Chapter]
    key_moments: list[Moment]
    key_points: list[str]
    questions: list[str]
    tags: list[str]
    duration_s: float | None


class VideoSummary(WindowedTask):
    """Summarise a video with chapters, key moments, key points and tags.

    The model points at frames by number, never at seconds: the seconds of a chapter or key
    moment are the presentation times of the frames it names, so they always lie in the
    video. Style ``lecture`` is for teaching: key points of the subject, and questions.

    A video that was cut into windows is summarised from their descriptions, brought down to
    24 parts first if there are more, or fewer where the model's context is too short for
    that: the model points at parts and at moments by number.
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
{%- if by_parts is defined -%}
You are given descriptions of the parts of one video in order, numbered from 1, and of moments
in them, with numbers of their own. Write in {{ options.language }}: a summary of at most
{{ options.max_chars }} characters; up to {{ options.max_chapters }} chapters in order, each
with the numbers of its first and last part, a short title and what happens in it; up to
{{ options.max_moments }} key moments in order, each with its number and a short title; up to
{%- else %}
You are shown frames of one video in order, numbered from 1. Write in {{ options.language }}:
a summary of at most {{ options.max_chars }} characters; up to {{ options.max_chapters }}
chapters in order, each with the numbers of its first and last frame, a short title and what
happens in it; up to {{ options.max_moments }} key moments in order, likewise; up to
{%- endif %}
{{ options.max_points }} key points{% if options.style == "lecture" %} of what is taught, and up
to {{ options.max_questions }} questions that a learner should be able to answer{% endif %};
and up to {{ options.max_tags }} tags. Say only what is visible.
"""
    item_prompt = """
These are {{ shown.count }} frames of a video{% if shown.duration_s %} of {{ "%.1f" |
format(shown.duration_s) }} seconds{% endif %}. Frame number and second: {{ shown.times }}.
Summarise the video.
"""

    parts_prompt = """
These are the {{ shown.count }} parts of a video{% if shown.duration_s %} of {{ "%.1f" |
format(shown.duration_s) }} seconds{% endif %}. Summarise the video.
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
        return _summary_form(
            options,
            chapter=span_form("Chapter", count, title=title, text=line(MAX_TEXT_CHARS)),
            moment=span_form("Moment", count, title=title),
        )

    def row(
        self, options: VideoSummaryOptions, answer: Any, subject: Subject
    ) -> VideoSummaryRow:
        """See `Task.row`."""
        frames = subject.frames
        return _row(
            options,
            answer,
            chapters=[(c.first_frame, c.last_frame, c.title, c.text) for c in answer.chapters],
            cells=[[pts] for pts in frames.pts_s],
            moments=[Moment(title=m.title, **seconds(m, frames)) for m in answer.key_moments],
            duration_s=frames.duration_s,
        )

    def from_windows(
        self, options: VideoSummaryOptions, video: VideoWindowsRow, subject: Subject
    ) -> Conversation:
        """See `WindowedTask.from_windows`."""
        most, parts = MOST_PARTS, parts_of(video.windows)
        while True:
            try:
                parts = yield from sections(parts, most)
                [reply] = yield [self._parts_question(options, parts, video, subject)]
                break
            except ItemFailure as failure:
                if failure.code is not FailureCode.PROMPT_TOO_LONG or most <= FEWEST_PARTS:
                    raise
                most //= 2
        moments = moments_of(parts)
        said = reply.value
        titles = {moment.number: moment.title for moment in said.key_moments}
        return _row(
            options,
            said,
            chapters=[(c.first_part, c.last_part, c.title, c.text) for c in said.chapters],
            cells=[list(part.frame_pts) for part in parts],
            moments=[
                moments[number - 1].model_copy(update={"title": title})
                for number, title in titles.items()
            ],
            duration_s=video.duration_s,
        )

    def _parts_question(
        self,
        options: VideoSummaryOptions,
        parts: list[DescribedPart],
        video: VideoWindowsRow,
        subject: Subject,
    ) -> Question:
        answer = _parts_form(options, len(parts), len(moments_of(parts)))
        return Question(
            self._parts_system(options, answer),
            self._parts_user(options, parts, video, subject),
            NO_FRAMES,
            answer,
        )

    def _parts_system(self, options: VideoSummaryOptions, answer: type[Answer]) -> str:
        own = options.prompt and f"{options.prompt} You are given descriptions of its parts."
        instruction = render(own or unwrapped(self.instruction), options=options, by_parts=True)
        return f"{instruction}\nAnswer as JSON: {example(json_schema(answer))}"

    def _parts_user(
        self,
        options: VideoSummaryOptions,
        parts: list[DescribedPart],
        video: VideoWindowsRow,
        subject: Subject,
    ) -> str:
        context = Context(subject.context, options.context_chars)
        text = render(
            options.item_prompt or unwrapped(self.parts_prompt),
            options=options,
            shown=Shown(len(parts), video.duration_s, ""),
            context=context,
        )
        return "\n".join([*data_lines(context, options.context), listed(parts), text])

    def prompts(self, options: VideoSummaryOptions) -> list[str]:
        """See `Task.prompts`."""
        windows = VideoWindows()
        return [
            *super().prompts(options),
            *windows.prompts(windows.Options()),
            system_of(),
            self._parts_system(options, _parts_form(options, 1, 1)),
            options.item_prompt or self.parts_prompt,
        ]


def _summary_form(
    options: VideoSummaryOptions, *, chapter: type[Answer], moment: type[Answer]
) -> type[Answer]:
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


def _parts_form(options: VideoSummaryOptions, parts: int, moments: int) -> type[Answer]:
    title, part = line(MAX_TITLE_CHARS), whole(1, parts)
    return _summary_form(
        options,
        chapter=form(
            "Chapter", first_part=part, last_part=part, title=title, text=line(MAX_TEXT_CHARS)
        ),
        moment=form("Moment", number=whole(1, moments), title=title),
    )


def _row(
    options: VideoSummaryOptions,
    said: Any,
    *,
    chapters: list[NamedSpan],
    cells: list[list[float]],
    moments: list[Moment],
    duration_s: float | None,
) -> VideoSummaryRow:
    return VideoSummaryRow(
        summary=said.summary,
        chapters=in_order(chapters, cells),
        key_moments=sorted(moments, key=lambda m: (m.start_s, m.end_s)),
        key_points=said.key_points,
        questions=said.questions if options.style == "lecture" else [],
        tags=list(dict.fromkeys(tag.lower() for tag in said.tags)),
        duration_s=duration_s,
    )
