"""How each product is drawn, in a square of a given side."""

from __future__ import annotations

import math
from collections.abc import Callable

from PIL import ImageDraw

Colour = tuple[int, int, int]
Outline = Callable[[ImageDraw.ImageDraw, float, Colour], None]


def _shade(colour: Colour, amount: float) -> Colour:
    """Towards black for a negative amount, towards white for a positive one (-1 to 1)."""
    goal = 0 if amount < 0 else 255
    red, green, blue = (round(c + (goal - c) * abs(amount)) for c in colour)
    return red, green, blue


def _points(side: float, *points: tuple[float, float]) -> list[tuple[float, float]]:
    return [(x * side, y * side) for x, y in points]


def _box(side: float, x0: float, y0: float, x1: float, y1: float) -> tuple[float, ...]:
    return x0 * side, y0 * side, x1 * side, y1 * side


def _mug(draw: ImageDraw.ImageDraw, side: float, colour: Colour) -> None:
    draw.arc(_box(side, 0.55, 0.28, 0.98, 0.75), -110, 110, colour, round(0.09 * side))
    draw.rounded_rectangle(_box(side, 0.08, 0.18, 0.72, 0.9), 0.08 * side, colour)
    draw.ellipse(_box(side, 0.08, 0.1, 0.72, 0.28), _shade(colour, -0.45))


def _shirt(draw: ImageDraw.ImageDraw, side: float, colour: Colour) -> None:
    body = ((0.3, 0.1), (0.7, 0.1), (0.98, 0.32), (0.84, 0.5), (0.74, 0.43), (0.74, 0.92))
    mirrored = tuple((1 - x, y) for x, y in reversed(body[2:]))
    draw.polygon(_points(side, *body, *mirrored), colour)
    draw.pieslice(_box(side, 0.38, -0.02, 0.62, 0.22), 0, 180, _shade(colour, -0.5))
    draw.line(_points(side, (0.5, 0.22), (0.5, 0.9)), _shade(colour, 0.4), round(0.02 * side))


def _shoe(draw: ImageDraw.ImageDraw, side: float, colour: Colour) -> None:
    upper = ((0.08, 0.25), (0.4, 0.25), (0.52, 0.45), (0.85, 0.55), (0.97, 0.72), (0.08, 0.72))
    draw.polygon(_points(side, *upper), colour)
    draw.rectangle(_box(side, 0.05, 0.72, 0.98, 0.82), _shade(colour, -0.5))
    for x in (0.46, 0.55, 0.64):
        lace = _points(side, (x, 0.4), (x - 0.09, 0.54))
        draw.line(lace, _shade(colour, 0.7), round(0.03 * side))


def _lamp(draw: ImageDraw.ImageDraw, side: float, colour: Colour) -> None:
    draw.rectangle(_box(side, 0.47, 0.45, 0.53, 0.88), _shade(colour, -0.4))
    draw.polygon(_points(side, (0.34, 0.08), (0.66, 0.08), (0.86, 0.5), (0.14, 0.5)), colour)
    draw.ellipse(_box(side, 0.26, 0.84, 0.74, 0.96), _shade(colour, -0.4))


def _chair(draw: ImageDraw.ImageDraw, side: float, colour: Colour) -> None:
    draw.rectangle(_box(side, 0.2, 0.05, 0.3, 0.95), colour)
    draw.rectangle(_box(side, 0.2, 0.08, 0.34, 0.5), _shade(colour, -0.2))
    draw.rectangle(_box(side, 0.2, 0.5, 0.82, 0.61), colour)
    draw.rectangle(_box(side, 0.72, 0.6, 0.82, 0.95), _shade(colour, -0.2))


def _bag(draw: ImageDraw.ImageDraw, side: float, colour: Colour) -> None:
    draw.arc(
        _box(side, 0.3, 0.04, 0.7, 0.6), 180, 360, _shade(colour, -0.4), round(0.06 * side)
    )
    draw.polygon(_points(side, (0.16, 0.32), (0.84, 0.32), (0.94, 0.94), (0.06, 0.94)), colour)
    draw.rectangle(_box(side, 0.42, 0.48, 0.58, 0.58), _shade(colour, 0.6))


def _ball(draw: ImageDraw.ImageDraw, side: float, colour: Colour) -> None:
    line, width = _shade(colour, 0.65), round(0.035 * side)
    draw.ellipse(_box(side, 0.06, 0.06, 0.94, 0.94), colour)
    draw.arc(_box(side, -0.55, 0.06, 0.35, 0.94), -47, 47, line, width)
    draw.arc(_box(side, 0.65, 0.06, 1.55, 0.94), 133, 227, line, width)


def _bottle(draw: ImageDraw.ImageDraw, side: float, colour: Colour) -> None:
    draw.rectangle(_box(side, 0.43, 0.03, 0.57, 0.12), _shade(colour, -0.5))
    draw.polygon(_points(side, (0.44, 0.12), (0.56, 0.12), (0.7, 0.4), (0.3, 0.4)), colour)
    draw.rounded_rectangle(_box(side, 0.3, 0.36, 0.7, 0.97), 0.05 * side, colour)
    draw.rectangle(_box(side, 0.3, 0.55, 0.7, 0.78), _shade(colour, 0.7))


def _clock(draw: ImageDraw.ImageDraw, side: float, colour: Colour) -> None:
    draw.ellipse(_box(side, 0.05, 0.05, 0.95, 0.95), colour)
    draw.ellipse(_box(side, 0.17, 0.17, 0.83, 0.83), (250, 250, 250))
    for hand in ((0.5, 0.25), (0.67, 0.58)):
        draw.line(_points(side, (0.5, 0.5), hand), colour, round(0.05 * side))


def _star(draw: ImageDraw.ImageDraw, side: float, colour: Colour) -> None:
    corners = []
    for index in range(10):
        radius = 0.48 if index % 2 == 0 else 0.2
        angle = math.pi * (index / 5 - 0.5)
        corners.append((0.5 + radius * math.cos(angle), 0.52 + radius * math.sin(angle)))
    draw.polygon(_points(side, *corners), colour)


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
"""By the names of `infra.demo.world.PRODUCTS`."""
