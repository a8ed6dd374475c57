"""Tag an image, freely or from a closed vocabulary."""

from __future__ import annotations

from typing import Any, ClassVar

from operators.tasks.arrow import Row
from operators.tasks.base import Subject
from operators.tasks.descent import Chosen, Level
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


class TagsRow(Row):
    """Columns of table ``tags``."""

    tags: list[Tag]


class Tags(VocabularyTask):
    """Tag what an image shows; with a vocabulary no other tag can come out."""

    id = "tags"
    version = 3
    summary = "Tag what an image shows, freely or from a closed vocabulary."
    takes = frozenset({MediaKind.IMAGE})
    table = "tags"
    Options = VocabularyOptions
    Columns = TagsRow
    instruction = """
You tag images for a catalogue. Give at most {{ options.max_tags }} tags, the most fitting
first, each once, and only for what is visible.
{% if options.vocabulary %}
Choose only from these tags: {{ options.vocabulary | join("; ") }}.
{% else %}
Each tag is one to three words in lower case.
{% endif %}
"""
    item_prompt = "Tag this image."
    level_instruction = """
You tag images for a catalogue{% if above %}. This image was tagged {{ above }}{% endif %}.
Choose the tags that fit what is visible, the most fitting first, at most
{{ options.max_tags }}, out of: {{ listed }}. If none fits, choose "{{ no_fit }}".
"""
    level = Level

    sample: ClassVar[dict[str, Any]] = {"tags": ["mug", "red", "striped"]}

    def answer(self, options: VocabularyOptions, count: int) -> type[Answer]:
        """See `Task.answer`."""
        return form("TagsAnswer", tags=list_of(options.tag, options.max_tags))

    def chosen_row(self, taxonomy: Taxonomy, chosen: list[Chosen], subject: Subject) -> TagsRow:
        """See `VocabularyTask.chosen_row`."""
        if not chosen:
            return TagsRow(tags=[Tag(tag=NOTHING, path=[])])
        return TagsRow(tags=[Tag(**placed(taxonomy, one)) for one in chosen])

    def row(self, options: VocabularyOptions, answer: Any, subject: Subject) -> TagsRow:
        """See `Task.row`."""
        given = dict.fromkeys(options.spelled(tag) for tag in answer.tags)
        return TagsRow(tags=[Tag(tag=tag) for tag in given])
