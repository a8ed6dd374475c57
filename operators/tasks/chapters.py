"""Chapters of a video, in order and without overlaps, whatever the model names."""

from __future__ import annotations

from collections.abc import Sequence

from operators.tasks.spans import Span


class Chapter(Span):
    """A stretch of the video with one subject."""

    title: str
    text: str


NamedSpan = tuple[int, int, str, str]
"""First and last number, title, text."""


def in_order(chapters: Sequence[NamedSpan], cells: Sequence[Sequence[float]]) -> list[Chapter]:
    """Chapters by their begin; where two overlap, the later one begins after the earlier.

    One that has no frame left is covered by the one before, and is left out.

    Args:
        chapters: As the model named them, by the numbers of cells from 1.
        cells: For each number its frames, ascending, seconds.
    """
    placed: list[Chapter] = []
    for one, other, title, text in sorted(chapters, key=lambda c: sorted(c[:2])):
        first, last = sorted((one, other))
        taken = placed[-1].end_s if placed else float("-inf")
        free = [pts for cell in cells[first - 1 : last] for pts in cell if pts > taken]
        if free:
            placed.append(
                Chapter(start_s=free[0], end_s=free[-1], frame_pts=free, title=title, text=text)
            )
    return placed
