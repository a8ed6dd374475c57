"""How each product is drawn, in a square of a given side."""

from __future__ import annotations

import math
from collections.abc import Callable

from PIL import ImageDraw

Colour = tuple[int, int, int]
Outline = Callable[[ImageDraw.ImageDraw, float, Colour], None]


def shade(colour: Colour, amount: float) -> Colour:
    """Towards black for a negative amount, towards white for a positive one (-1 to 1)."""
    goal = 0 if amount < 0 else 255
    red, green, blue = (round(c + (goal - c) * abs(amount)) for c in colour)
    return red, green, blue


def points(side: float, *at: tuple[float, float]) -> list[tuple[float, float]]:
    """Pixels from fractions of a side."""
    return [(x * side, y * side) for x, y in at]


def box(side: float, x0: float, y0: float, x1: float, y1: float) -> tuple[float, ...]:
    """A box in pixels from one in fractions of a side."""
    return x0 * side, y0 * side, x1 * side, y1 * side


def _mug(draw: ImageDraw.ImageDraw, side: float, colour: Colour) -> None:
    draw.arc(box(side, 0.55, 0.28, 0.98, 0.75), -110, 110, colour, round(0.09 * side))
    draw.rounded_rectangle(box(side, 0.08, 0.18, 0.72, 0.9), 0.08 * side, colour)
    draw.ellipse(box(side, 0.08, 0.1, 0.72, 0.28), shade(colour, -0.45))


def _shirt(draw: ImageDraw.ImageDraw, side: float, colour: Colour) -> None:
    body = ((0.3, 0.1), (0.7, 0.1), (0.98, 0.32), (0.84, 0.5), (0.74, 0.43), (0.74, 0.92))
    mirrored = tuple((1 - x, y) for x, y in reversed(body[2:]))
    draw.polygon(points(side, *body, *mirrored), colour)
    draw.pieslice(box(side, 0.38, -0.02, 0.62, 0.22), 0, 180, shade(colour, -0.5))
    draw.line(points(side, (0.5, 0.22), (0.5, 0.9)), shade(colour, 0.4), round(0.02 * side))


def _shoe(draw: ImageDraw.ImageDraw, side: float, colour: Colour) -> None:
    upper = ((0.08, 0.25), (0.4, 0.25), (0.52, 0.45), (0.85, 0.55), (0.97, 0.72), (0.08, 0.72))
    draw.polygon(points(side, *upper), colour)
    draw.rectangle(box(side, 0.05, 0.72, 0.98, 0.82), shade(colour, -0.5))
    for x in (0.46, 0.55, 0.64):
        lace = points(side, (x, 0.4), (x - 0.09, 0.54))
        draw.line(lace, shade(colour, 0.7), round(0.03 * side))


def _lamp(draw: ImageDraw.ImageDraw, side: float, colour: Colour) -> None:
    draw.rectangle(box(side, 0.47, 0.45, 0.53, 0.88), shade(colour, -0.4))
    draw.polygon(points(side, (0.34, 0.08), (0.66, 0.08), (0.86, 0.5), (0.14, 0.5)), colour)
    draw.ellipse(box(side, 0.26, 0.84, 0.74, 0.96), shade(colour, -0.4))


def _chair(draw: ImageDraw.ImageDraw, side: float, colour: Colour) -> None:
    draw.rectangle(box(side, 0.16, 0.05, 0.32, 0.95), colour)
    draw.rectangle(box(side, 0.16, 0.08, 0.38, 0.5), shade(colour, -0.2))
    draw.rectangle(box(side, 0.16, 0.46, 0.86, 0.64), colour)
    draw.rectangle(box(side, 0.7, 0.6, 0.86, 0.95), shade(colour, -0.2))


def _bag(draw: ImageDraw.ImageDraw, side: float, colour: Colour) -> None:
    draw.arc(box(side, 0.3, 0.04, 0.7, 0.6), 180, 360, shade(colour, -0.4), round(0.06 * side))
    draw.polygon(points(side, (0.16, 0.32), (0.84, 0.32), (0.94, 0.94), (0.06, 0.94)), colour)
    draw.rectangle(box(side, 0.42, 0.48, 0.58, 0.58), shade(colour, 0.6))


def _ball(draw: ImageDraw.ImageDraw, side: float, colour: Colour) -> None:
    line, width = shade(colour, 0.65), round(0.035 * side)
    draw.ellipse(box(side, 0.06, 0.06, 0.94, 0.94), colour)
    draw.arc(box(side, -0.55, 0.06, 0.35, 0.94), -47, 47, line, width)
    draw.arc(box(side, 0.65, 0.06, 1.55, 0.94), 133, 227, line, width)


def _bottle(draw: ImageDraw.ImageDraw, side: float, colour: Colour) -> None:
    draw.rectangle(box(side, 0.43, 0.03, 0.57, 0.12), shade(colour, -0.5))
    draw.polygon(points(side, (0.44, 0.12), (0.56, 0.12), (0.7, 0.4), (0.3, 0.4)), colour)
    draw.rounded_rectangle(box(side, 0.3, 0.36, 0.7, 0.97), 0.05 * side, colour)
    draw.rectangle(box(side, 0.3, 0.55, 0.7, 0.78), shade(colour, 0.7))


def _clock(draw: ImageDraw.ImageDraw, side: float, colour: Colour) -> None:
    draw.ellipse(box(side, 0.05, 0.05, 0.95, 0.95), colour)
    draw.ellipse(box(side, 0.17, 0.17, 0.83, 0.83), (250, 250, 250))
    for hand in ((0.5, 0.25), (0.67, 0.58)):
        draw.line(points(side, (0.5, 0.5), hand), colour, round(0.05 * side))


def _star(draw: ImageDraw.ImageDraw, side: float, colour: Colour) -> None:
    corners = []
    for index in range(10):
        radius = 0.48 if index % 2 == 0 else 0.2
        angle = math.pi * (index / 5 - 0.5)
        corners.append((0.5 + radius * math.cos(angle), 0.52 + radius * math.sin(angle)))
    draw.polygon(points(side, *corners), colour)


OUTLINES: dict[str, Outline] = {
    "mug": _mug,
    "shirt": _shirt,
    "shoe": _shoe,
    "lamp": _lamp,
    "chair": _chair,
    "bag": _bag,
    "ball": _ball,
    "bottle": _bottle,
    "clock": _clock,
    "star": _star,
}
"""By the names of `infra.demo.world.vocabulary.PRODUCTS`."""
