"""Describe the windows that a long video is cut into, for the tasks that put them together."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any, ClassVar

from operators.tasks.arrow import Row
from operators.tasks.base import Conversation, Subject, Task, TaskOptions
from operators.tasks.forms import Answer, form, line, list_of
from operators.tasks.spans import Span, seconds, span_form
from schemas.media import MediaKind
from schemas.tables import WINDOWS_TASK

MAX_TITLE_CHARS = 80
MAX_TEXT_CHARS = 400
MAX_MOMENTS = 3


class Moment(Span):
    """Something that happens."""

    title: str


class DescribedWindow(Span):
    """What a window shows, from its first frame to its last."""

    title: str
    text: str
    moments: list[Moment]


class VideoWindowsRow(Row):
    """Columns of table ``video_windows``."""

    windows: list[DescribedWindow]
    duration_s: float | None


class VideoWindows(Task):
    """Describe the windows of a long video, each from its own frames and subtitles.

    No job asks for it by name. Its rows stay in the output, so that a summary with another
    prompt is made from them, and the video is neither fetched nor described again.
    """

    id = WINDOWS_TASK
    version = 1
    summary = "Describe the windows of a long video."
    takes = frozenset({MediaKind.VIDEO})
    table = WINDOWS_TASK
    Options = TaskOptions
    Columns = VideoWindowsRow
    instruction = """
You describe a part of a longer video for somebody who will summarise the whole from such
descriptions. You are shown frames of this part in order, numbered from 1. Write in English a
short title; what is shown, done, said or taught in it, in at most 400 characters; and up to 3
moments that matter, in order, each with the numbers of its first and last frame and a short
title. Say only what is visible or said.
"""
    item_prompt = """
These are {{ shown.count }} frames of one part of a video{% if shown.duration_s %} of
{{ "%.1f" | format(shown.duration_s) }} seconds{% endif %}. Frame number and second:
{{ shown.times }}. Describe this part.
"""
    sample: ClassVar[dict[str, Any]] = {
        "title": "Kneading",
        "text": "Hands knead dough on a floured table.",
        "moments": [{"first_frame": 1, "last_frame": 2, "title": "The dough is turned"}],
    }

    def answer(self, options: TaskOptions, count: int) -> type[Answer]:
        """See `Task.answer`; the form of one window."""
        title = line(MAX_TITLE_CHARS)
        moment = span_form("Moment", count, title=title)
        return form(
            "WindowAnswer",
            title=title,
            text=line(MAX_TEXT_CHARS),
            moments=list_of(moment, MAX_MOMENTS, least=1),
        )

    def row(self, options: TaskOptions, answer: Any, subject: Subject) -> DescribedWindow:
        """One window; the table's row holds all windows of a video."""
        frames = subject.frames
        moments = [Moment(title=m.title, **seconds(m, frames)) for m in answer.moments]
        return DescribedWindow(
            start_s=frames.pts_s[0],
            end_s=frames.pts_s[-1],
            frame_pts=list(frames.pts_s),
            title=answer.title,
            text=answer.text,
            moments=sorted(moments, key=lambda m: (m.start_s, m.end_s)),
        )


class WindowedTask(Task):
    """A task that answers about a long video from descriptions of its windows."""

    @abstractmethod
    def from_windows(
        self, options: Any, video: VideoWindowsRow, subject: Subject
    ) -> Conversation:
        """Ask about text alone.

        Args:
            options: This task's options.
            video: Its windows, two or more.
            subject: The item, without a frame.
        """
