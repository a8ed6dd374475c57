"""Judge the mood of an image."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar

from pydantic import Field, model_validator

from operators.tasks.arrow import Row
from operators.tasks.base import Subject, Task, TaskOptions
from operators.tasks.forms import Answer, form, line, list_of, one_of
from schemas.media import MediaKind

POLARITIES = ("positive", "neutral", "negative", "mixed")
EMOTIONS = (
    *("joy", "calm", "love", "pride", "surprise", "sadness", "anger", "fear"),
    *("disgust", "boredom", "tension"),
)


class SentimentOptions(TaskOptions):
    """Options of `sentiment` and `video_sentiment`."""

    emotions: tuple[Annotated[str, Field(min_length=1, max_length=60)], ...] = Field(
        default=EMOTIONS, min_length=1, max_length=100, description="Emotions to choose from."
    )
    max_chars: int = Field(
        default=200, ge=20, le=2000, description="Longest evidence, in characters."
    )
    language: str = Field(default="English", description="Language of the evidence.")

    @model_validator(mode="after")
    def _emotions_differ(self) -> SentimentOptions:
        if len(set(self.emotions)) < len(self.emotions):
            raise ValueError("expected each of the emotions once")
        return self


class SentimentRow(Row):
    """Columns of table ``sentiments``."""

    label: str
    emotions: list[str]
    evidence: str


class Sentiment(Task):
    """Judge the mood that an image conveys: polarity, emotions, and what shows them.

    For social media and entertainment. It judges the picture, faces in it included; it
    says nothing of what a person truly feels.
    """

    id = "sentiment"
    version = 1
    summary = "Judge the mood of an image: polarity, emotions and their evidence."
    takes = frozenset({MediaKind.IMAGE})
    table = "sentiments"
    Options = SentimentOptions
    Columns = SentimentRow
    instruction = """
You judge the mood that images convey. First name the visible evidence in
{{ options.language }}, at most {{ options.max_chars }} characters: faces, gestures, scene,
light. Then the emotions present, out of: {{ options.emotions | join(", ") }}. Then one label.
"""
    item_prompt = "Judge the mood of this image."

    sample: ClassVar[dict[str, Any]] = {
        "evidence": "Two people laugh with their arms around each other.",
        "emotions": ["joy", "love"],
        "label": "positive",
    }

    def answer(self, options: SentimentOptions, count: int) -> type[Answer]:
        """See `Task.answer`. The evidence comes first: what follows is judged by it."""
        return form(
            "SentimentAnswer",
            evidence=line(options.max_chars),
            emotions=list_of(one_of(options.emotions), most=min(5, len(options.emotions))),
            label=one_of(POLARITIES),
        )

    def row(self, options: SentimentOptions, answer: Any, subject: Subject) -> SentimentRow:
        """See `Task.row`."""
        return SentimentRow(
            label=answer.label,
            emotions=list(dict.fromkeys(answer.emotions)),
            evidence=answer.evidence,
        )
