"""Tag a video, with the seconds in which each tag was seen."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, ClassVar

from operators.tasks.arrow import Row
from operators.tasks.base import Subject
from operators.tasks.descent import Chosen, SightedLevel, sighting
from operators.tasks.forms import Answer, form, list_of
from operators.tasks.vocabulary import (
    NOTHING,
    Tag,
    VocabularyOptions,
    VocabularyTask,
    placed,
)
from operators.taxonomy import Taxonomy
from schemas.media import MediaKind


class VideoTag(Tag):
    """A tag, and the seconds of the frames in which it was seen."""

    seen_s: list[float]


class VideoTagsRow(Row):
    """Columns of table ``video_tags``."""

    tags: list[VideoTag]


class VideoTags(VocabularyTask):
    """Tag what a video shows, with the seconds in which each tag was seen."""

    id = "video_tags"
    version = 2
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
    level_instruction = """
You tag what videos show{% if above %}. This video was tagged {{ above }}{% endif %}. You are
shown frames of one video in order, numbered from 1. Choose the tags that fit what is visible,
the most fitting first, at most {{ options.max_tags }}, each with the numbers of the frames
that show it, out of: {{ listed }}. If none fits, choose "{{ no_fit }}" with frame 1.
"""
    level = SightedLevel

    sample: ClassVar[dict[str, Any]] = {"tags": [{"tag": "ball", "frames": [1, 2]}]}

    def answer(self, options: VocabularyOptions, count: int) -> type[Answer]:
        """See `Task.answer`."""
        return form(
            "VideoTagsAnswer", tags=list_of(sighting(options.tag, count), options.max_tags)
        )

    def chosen_row(
        self, taxonomy: Taxonomy, chosen: list[Chosen], subject: Subject
    ) -> VideoTagsRow:
        """See `VocabularyTask.chosen_row`."""
        if not chosen:
            return VideoTagsRow(tags=[VideoTag(tag=NOTHING, path=[], seen_s=[])])
        return VideoTagsRow(
            tags=[
                VideoTag(**placed(taxonomy, one), seen_s=_seconds(one.frames, subject))
                for one in chosen
            ]
        )

    def row(self, options: VocabularyOptions, answer: Any, subject: Subject) -> VideoTagsRow:
        """See `Task.row`."""
        seen: dict[str, set[int]] = {}
        for given in answer.tags:
            seen.setdefault(options.spelled(given.tag), set()).update(given.frames)
        return VideoTagsRow(
            tags=[
                VideoTag(tag=tag, seen_s=_seconds(frames, subject))
                for tag, frames in seen.items()
            ]
        )


def _seconds(frames: Iterable[int], subject: Subject) -> list[float]:
    """When the frames of these numbers, counted from 1, are shown."""
    return [subject.frames.pts_s[number - 1] for number in sorted(frames)]
