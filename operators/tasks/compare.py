"""Compare images."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar

from pydantic import Field

from operators.tasks.arrow import Row
from operators.tasks.base import Subject, Task, TaskOptions
from operators.tasks.forms import Answer, form, line, list_of, one_of
from schemas.media import MediaKind

ASPECTS = (
    "kind",
    "colour",
    "pattern",
    "shape",
    "size",
    "number",
    "place",
    "background",
    "text",
)
VERDICTS = ("same", "similar", "different")
MAX_POINT_CHARS = 200


class CompareOptions(TaskOptions):
    """Options of `compare`."""

    aspects: tuple[Annotated[str, Field(min_length=1, max_length=60)], ...] = Field(
        default=ASPECTS,
        min_length=1,
        max_length=50,
        description="Aspects in which they may differ.",
    )
    max_points: int = Field(
        default=8, ge=1, le=50, description="Most similarities, and most differences."
    )
    language: str = Field(default="English", description="Language of the answer.")


class Difference(Row):
    """One aspect in which the images differ, and how."""

    aspect: str
    text: str


class CompareRow(Row):
    """Columns of table ``comparisons``."""

    similarities: list[str]
    differences: list[Difference]
    verdict: str


class Compare(Task):
    """Compare two or more images: what they share, how they differ, and a verdict.

    For duplicates in catalogues, before and after, variants of one product.
    """

    id = "compare"
    version = 1
    summary = "Compare images: similarities, differences by aspect, verdict."
    takes = frozenset({MediaKind.IMAGES})
    table = "comparisons"
    Options = CompareOptions
    Columns = CompareRow
    instruction = """
You compare images, numbered from 1 in their order. Write in {{ options.language }} what they
share, then how they differ, at most {{ options.max_points }} points each. Every difference
has an aspect, out of: {{ options.aspects | join(", ") }}. Then the verdict on their main
things: same, similar or different. Say only what is visible.
"""
    item_prompt = "Compare these {{ shown.count }} images."

    sample: ClassVar[dict[str, Any]] = {
        "similarities": ["Both show one mug."],
        "differences": [{"aspect": "colour", "text": "Red in 1, blue in 2."}],
        "verdict": "similar",
    }

    def answer(self, options: CompareOptions, count: int) -> type[Answer]:
        """See `Task.answer`."""
        point = line(MAX_POINT_CHARS)
        difference = form("DifferenceAnswer", aspect=one_of(options.aspects), text=point)
        return form(
            "CompareAnswer",
            similarities=list_of(point, options.max_points),
            differences=list_of(difference, options.max_points),
            verdict=one_of(VERDICTS),
        )

    def row(self, options: CompareOptions, answer: Any, subject: Subject) -> CompareRow:
        """See `Task.row`."""
        return CompareRow(
            similarities=answer.similarities,
            differences=[Difference(aspect=d.aspect, text=d.text) for d in answer.differences],
            verdict=answer.verdict,
        )
