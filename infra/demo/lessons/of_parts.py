"""Lessons about the descriptions of a long film's parts: text alone, nothing to be seen."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Iterator, Sequence
from typing import Any

from infra.demo.lessons import films
from infra.demo.lessons.lesson import Lesson, Shown, bound, taught
from infra.demo.lessons.of_films import MUCH_STILL
from infra.demo.lessons.photographs import Sizes
from infra.demo.world.film import Film, film_of, stilled
from infra.demo.world.vocabulary import COLOURS, PATTERNS, PRODUCTS, indefinite
from operators.tasks.base import Question, Subject
from operators.tasks.sections import groups
from operators.tasks.video_summary import MAX_TEXT_CHARS
from operators.tasks.video_windows import DescribedWindow, Moment, VideoWindowsRow
from schemas.media import MediaKind

FRAME_STEP_S = 0.5
NOTHING_SHOWN = Shown(MediaKind.IMAGE, (), ())
_PART = re.compile(r'^Part \d+, .* s: ("(?:[^"\\]|\\.)*"): ("(?:[^"\\]|\\.)*")$', re.MULTILINE)
_MOMENT = re.compile(r'^Moment \d+, .* s: ("(?:[^"\\]|\\.)*")$', re.MULTILINE)
_WORDS = frozenset({*COLOURS, *PATTERNS, *PRODUCTS})


def parts(rng: random.Random, seeds: Sequence[int], sizes: Sizes) -> Iterator[list[Lesson]]:
    """A summary of a film from its windows, and the sections on the way to it."""
    options = {"style": rng.choice(("catalogue", "catalogue", "lecture"))}
    task = bound("video_summary", **options)
    for seed in seeds:
        film = film_of(seed, rng.choice((2, 3, 4, 5, 6, 8, 26)))
        video = _windows(stilled(film, rng) if rng.random() < MUCH_STILL else film)
        subject = Subject(NOTHING_SHOWN.frames())
        conversation = task.windowed_task.from_windows(task.options, video, subject)
        yield taught(conversation, NOTHING_SHOWN, teach, task.options)[0]


def teach(question: Question, options: Any) -> dict[str, Any]:
    """The answer, from nothing but what the question tells."""
    told = [(json.loads(a), json.loads(b)) for a, b in _PART.findall(question.user)]
    moments = [json.loads(title) for title in _MOMENT.findall(question.user)]
    titles, texts = [title for title, _ in told], [text for _, text in told]
    if "chapters" not in question.schema["properties"]:
        kept = sorted({1, len(moments)})
        return {"title": titles[0], "text": _joined(texts, 400), "moments": kept}
    spans = groups(len(told), options.max_chapters)
    answer: dict[str, Any] = {
        "summary": _joined(texts, options.max_chars),
        "chapters": [
            {
                "first_part": span[0] + 1,
                "last_part": span[-1] + 1,
                "title": titles[span[0]],
                "text": _joined([texts[n] for n in span], MAX_TEXT_CHARS),
            }
            for span in spans[: len(told)]
        ],
        "key_moments": [
            {"number": number, "title": title}
            for number, title in enumerate(moments[: options.max_moments], start=1)
        ],
        "key_points": [indefinite(one) for one in dict.fromkeys(titles)][: options.max_points],
    }
    if options.style == "lecture":
        asked = [f"What happens to the {title}?" for title in dict.fromkeys(titles)]
        answer["questions"] = asked[: options.max_questions]
    words = [word for title in titles for word in reversed(title.split()) if word in _WORDS]
    answer["tags"] = list(dict.fromkeys(words))[: options.max_tags]
    return answer


def _joined(texts: Sequence[str], most: int) -> str:
    """As many of the texts, from the first on, as there is room for; at least a piece."""
    told = texts[0][:most]
    for text in texts[1:]:
        longer = f"{told}, then {text}"
        if len(longer) > most:
            break
        told = longer
    return told


def _windows(film: Film) -> VideoWindowsRow:
    """What the windows of a film would be described as, a window a shot."""
    pts = [n * FRAME_STEP_S for n in range(int(film.duration_s / FRAME_STEP_S))]
    shots = films.witnessed(film, pts)
    return VideoWindowsRow(
        windows=[_window(shot, [pts[n - 1] for n in shot.frames]) for shot in shots],
        duration_s=film.duration_s,
    )


def _window(shot: films.Witnessed, seconds: list[float]) -> DescribedWindow:
    at = seconds[shot.change or 0]
    return DescribedWindow(
        start_s=seconds[0],
        end_s=seconds[-1],
        frame_pts=seconds,
        title=shot.title,
        text=shot.sentence,
        moments=[Moment(start_s=at, end_s=at, frame_pts=[at], title=shot.moment)],
    )
