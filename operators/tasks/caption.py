"""Describe an image."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from pydantic import Field

from operators.tasks.arrow import Row
from operators.tasks.base import Subject, Task, TaskOptions
from operators.tasks.forms import Answer, form, line
from schemas.media import MediaKind

CAUTION = (
    "Description by a model for documentation only. Not a diagnosis, not medical advice; to "
    "be checked by a qualified person."
)


class CaptionOptions(TaskOptions):
    """Options of `caption`."""

    style: Literal["short", "detailed", "alt-text", "training", "clinical"] = Field(
        default="detailed",
        description="short: one phrase; detailed: everything visible; alt-text: for people "
        "who cannot see the image; training: dense, for training data; clinical: describes "
        "a medical image and never diagnoses.",
    )
    max_chars: int = Field(
        default=400, ge=20, le=4000, description="Longest caption, in characters."
    )
    language: str = Field(default="English", description="Language of the caption.")


class CaptionRow(Row):
    """Columns of table ``captions``."""

    caption: str
    style: str
    caution: str | None


class Caption(Task):
    """Describe what an image shows, for search, alternative text or training data.

    Style ``clinical`` describes medical images: what can be seen and where, without a
    diagnosis, and with a word of caution in every row.
    """

    id = "caption"
    version = 2
    summary = "Describe what an image shows."
    takes = frozenset({MediaKind.IMAGE})
    table = "captions"
    Options = CaptionOptions
    Columns = CaptionRow
    instruction = """
{% if options.style == "short" %}
You name what images show. Write one phrase of a few words: the main thing, with its colour.
{% elif options.style == "alt-text" %}
You write alternative text for people who cannot see an image. Say in one or two plain
sentences what matters in it. Do not begin with "image of".
{% elif options.style == "training" %}
You write captions that image models are trained on. Describe densely every thing with its
colour, pattern, size and place, then the background, light and style.
{% elif options.style == "clinical" %}
You describe medical images for documentation. Say what kind of image it is, what body part
and view, and what can be seen and where. Never name a disease, cause, risk or treatment.
{% else %}
You describe images for a catalogue. Name every thing that can be seen, with its colour and
place.
{% endif %}
Write in {{ options.language }}, at most {{ options.max_chars }} characters. Say only what is
visible; do not guess.
"""
    item_prompt = "Describe this image."

    sample: ClassVar[dict[str, Any]] = {
        "caption": "A red mug with white stripes on a wooden table."
    }

    def answer(self, options: CaptionOptions, count: int) -> type[Answer]:
        """See `Task.answer`."""
        return form("CaptionAnswer", caption=line(options.max_chars))

    def row(self, options: CaptionOptions, answer: Any, subject: Subject) -> CaptionRow:
        """See `Task.row`."""
        caution = CAUTION if options.style == "clinical" else None
        return CaptionRow(caption=answer.caption, style=options.style, caution=caution)
