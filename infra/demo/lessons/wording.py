"""Other words for a prompt, so that a small edit of it does not break a model."""

from __future__ import annotations

import random
import re

_OTHER_WORDS = (
    ("You describe images", "You look at images and describe them"),
    ("You describe images", "Describe images"),
    ("You tag images", "You give images tags"),
    ("You tag what videos show", "You give videos tags"),
    ("You answer questions", "Answer questions"),
    ("You judge the mood", "You say which mood"),
    ("You compare images", "You look at images side by side"),
    ("You write listings for a shop", "You help a shop to list its goods"),
    ("You summarise videos", "You watch videos and summarise them"),
    ("for a catalogue", "for a shop's catalogue"),
    ("for a catalogue", "for a collection"),
    ("Name every thing that can be seen", "Name all things in it"),
    ("Name every thing that can be seen", "Say what can be seen"),
    ("Say only what is visible; do not guess.", "Do not guess."),
    ("Say only what is visible; do not guess.", "Only what is visible counts."),
    ("Say only what is visible.", "Do not make anything up."),
    ("Judge only by what is visible.", "Look closely."),
    ("with its colour and place", "with colour and place"),
    ("the most fitting first", "the best first"),
    ("Describe this image.", "What does this image show?"),
    ("Describe this image.", "Please describe the picture."),
    ("Tag this image.", "Which tags fit this image?"),
    ("Answer the questions about what is shown.", "Answer the questions."),
    ("Judge the mood of this image.", "What is its mood?"),
    ("Summarise the video.", "What happens in it?"),
    ("Write in English", "Use English"),
)
_SENTENCE = re.compile(r"(?<=[.!?])\s+")
_KEPT = re.compile(r"out of|[Cc]hoose|questions|fields|attributes|The |none of these|JSON|:")


def reworded(text: str, rng: random.Random) -> str:
    """The same request in other words; often as it is.

    Sentences that carry what is asked for (lists, questions, the form) are never left out.
    """
    if rng.random() < 0.5:
        return text
    for words, others in rng.sample(_OTHER_WORDS, len(_OTHER_WORDS)):
        if words in text and rng.random() < 0.4:
            text = text.replace(words, others)
    if rng.random() < 0.3:
        text = _without_a_sentence(text, rng)
    return text


def _without_a_sentence(text: str, rng: random.Random) -> str:
    first, *lines = text.split("\n")
    sentences = _SENTENCE.split(first)
    spare = [at for at, one in enumerate(sentences) if not _KEPT.search(one)]
    if len(sentences) < 2 or not spare:
        return text
    sentences.pop(rng.choice(spare))
    return "\n".join([" ".join(sentences), *lines])
