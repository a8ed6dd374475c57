"""How faces are drawn: the mood is in mouth, brows and eyes."""

from __future__ import annotations

from PIL import ImageDraw

from infra.demo.products import Colour, box, points, shade

_INK = (28, 24, 28)


def draw_face(draw: ImageDraw.ImageDraw, side: float, skin: Colour, mood: str) -> None:
    """Draw a face into a square of a side, in pixels; `mood` is one of `MOODS`."""
    draw.ellipse(box(side, 0.04, 0.04, 0.96, 0.96), skin, shade(skin, -0.4), round(0.03 * side))
    _eyes(draw, side, closed=mood == "calm")
    _brows(draw, side, mood)
    _mouth(draw, side, mood)


def _eyes(draw: ImageDraw.ImageDraw, side: float, *, closed: bool) -> None:
    for x in (0.33, 0.67):
        if closed:
            lid = box(side, x - 0.1, 0.34, x + 0.1, 0.5)
            draw.arc(lid, 10, 170, _INK, round(0.045 * side))
        else:
            draw.ellipse(box(side, x - 0.065, 0.36, x + 0.065, 0.5), _INK)


def _brows(draw: ImageDraw.ImageDraw, side: float, mood: str) -> None:
    inner, outer = {"angry": (0.34, 0.2), "sad": (0.2, 0.32)}.get(mood, (0.25, 0.25))
    if mood in ("happy", "calm"):
        return
    for x, towards in ((0.33, 1), (0.67, -1)):
        ends = ((x - towards * 0.13, outer), (x + towards * 0.11, inner))
        draw.line(points(side, *ends), _INK, round(0.06 * side))


def _mouth(draw: ImageDraw.ImageDraw, side: float, mood: str) -> None:
    width = round(0.06 * side)
    if mood == "happy":
        draw.chord(box(side, 0.24, 0.4, 0.76, 0.86), 0, 180, (176, 32, 48))
    elif mood == "sad":
        draw.arc(box(side, 0.28, 0.64, 0.72, 0.98), 200, 340, _INK, width)
    elif mood == "angry":
        draw.rectangle(box(side, 0.3, 0.66, 0.7, 0.8), (250, 250, 250), _INK, width // 2)
        draw.line(points(side, (0.3, 0.73), (0.7, 0.73)), _INK, width // 2)
    else:
        draw.line(points(side, (0.36, 0.7), (0.64, 0.7)), _INK, width)
