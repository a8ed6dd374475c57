"""Tag a video, with the seconds in which each tag was seen."""

from __future__ import annotations

from typing import Any, ClassVar

from operators.tasks.arrow import Row
from operators.tasks.base import Subject, Task
from operators.tasks.forms import Answer, form, line, list_of, one_of, whole
from operators.tasks.tags import MAX_FREE_TAG_CHARS, VocabularyOptions
from schemas.media import MediaKind

MAX_SIGHTINGS = 8


class VideoTag(Row):
    """A tag, and the seconds of the frames in which it was seen."""

    tag: str
    seen_s: list[float]


class VideoTagsRow(Row):
    """Columns of table ``video_tags``."""

    tags: list[VideoTag]


class VideoTags(Task):
    """Tag what a video shows, with the seconds in which each tag was seen."""

    id = "video_tags"
    version = 1
    summary = "Tag what a video shows, with the seconds in which each tag was seen."
    takes = frozenset({MediaKind.VIDEO})
    table = "video_tags"
    Options = VocabularyOptions
    Columns = VideoTagsRow
    instruction = """
You tag what videos show. You are shown frames of one video in order, numbered from 1. Give at
most {{ options.max_tags }} tags, the most fitting first, each once and only for what is
visible, with the numbers of the frames that show it.
{% if options.vocabulary %}
Choose only from these tags: {{ options.vocabulary | join("; ") }}.
{% else %}
Each tag is one to three words in lower case.
{% endif %}
"""
    item_prompt = """
These are {{ shown.count }} frames of a video. Frame number and second: {{ shown.times }}.
Tag the video.
"""

    sample: ClassVar[dict[str, Any]] = {"tags": [{"tag": "ball", "frames": [1, 2]}]}

    def answer(self, options: VocabularyOptions, count: int) -> type[Answer]:
        """See `Task.answer`."""
        tag = one_of(options.vocabulary) if options.vocabulary else line(MAX_FREE_TAG_CHARS)
        frames = list_of(whole(1, max(count, 1)), MAX_SIGHTINGS, least=1)
        return form(
            "VideoTagsAnswer",
            tags=list_of(form("TagAnswer", tag=tag, frames=frames), options.max_tags),
        )

    def row(self, options: VocabularyOptions, answer: Any, subject: Subject) -> VideoTagsRow:
        """See `Task.row`."""
        seen: dict[str, set[int]] = {}
        for given in answer.tags:
            tag = given.tag if options.vocabulary else given.tag.lower()
            seen.setdefault(tag, set()).update(given.frames)
        pts = subject.frames.pts_s
        return VideoTagsRow(
            tags=[
                VideoTag(tag=tag, seen_s=[pts[number - 1] for number in sorted(frames)])
                for tag, frames in seen.items()
            ]
        )
