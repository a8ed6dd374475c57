"""From a scene to pixels: how each product looks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from PIL import Image, ImageDraw

from infra.demo.products import OUTLINES, Colour
from infra.demo.world import BACKGROUNDS, COLOURS, PLACES, SIZES, Film, Scene, Shot, Thing

_SMOOTH_BELOW = 700
"""Sides in pixels up to which a thing is drawn larger and shrunk, for smooth edges."""


@dataclass(frozen=True)
class Placed:
    """A thing where it is at one moment.

    Attributes:
        product: One of `infra.demo.world.PRODUCTS`.
        colour: RGB.
        centre: Fractions of width and height.
        side: Fraction of the shorter side.
    """

    product: str
    colour: Colour
    centre: tuple[float, float]
    side: float


def placed(thing: Thing) -> Placed:
    """A thing at rest."""
    return Placed(thing.product, COLOURS[thing.colour], PLACES[thing.place], SIZES[thing.size])


def draw_scene(
    scene: Scene, width: int, height: int, *, transparent: bool = False
) -> Image.Image:
    """Draw a picture.

    Args:
        scene: What it shows.
        width: Pixels.
        height: Pixels.
        transparent: Leave the background out.

    Returns:
        An RGB image, or RGBA if transparent.
    """
    if transparent:
        canvas = Image.new("RGBA", (width, height), (0, 0, 0, 0))
    else:
        canvas = _studio(BACKGROUNDS[scene.background], width, height)
    _put(canvas, [placed(thing) for thing in scene.things])
    return canvas


def draw_frame(film: Film, at_s: float, width: int, height: int) -> Image.Image:
    """Draw the frame of a film at a second from its start, in RGB."""
    shot = next((one for one in film.shots if at_s < one.end_s), film.shots[-1])
    canvas = _studio(BACKGROUNDS[shot.background], width, height)
    seen = _seen(shot, at_s)
    _put(canvas, [seen] if seen else [])
    return canvas


def _seen(shot: Shot, at_s: float) -> Placed | None:
    event = shot.event
    if at_s < event.start_s or (at_s < event.end_s and not (shot.before and event.after)):
        return placed(shot.before) if shot.before else None
    if event.after is None:
        return None
    now = placed(event.after)
    if at_s >= event.end_s or shot.before is None:
        return now
    part = (at_s - event.start_s) / (event.end_s - event.start_s)
    (x0, y0), (x1, y1) = placed(shot.before).centre, now.centre
    centre = (x0 + (x1 - x0) * part, y0 + (y1 - y0) * part)
    return Placed(now.product, now.colour, centre, now.side)


def _studio(colour: Colour, width: int, height: int) -> Image.Image:
    """A background that gets a little darker towards the floor, as in a photo studio."""
    ramp = Image.linear_gradient("L").resize((1, height)).point(lambda v: 255 - v // 16)
    bands = [ramp.point(lambda v, c=c: v * c // 255) for c in colour]
    return Image.merge("RGB", bands).resize((width, height))


def _put(canvas: Image.Image, things: Sequence[Placed]) -> None:
    shorter = min(canvas.size)
    for thing in things:
        side = max(8, round(thing.side * shorter))
        patch = _patch(OUTLINES[thing.product], thing.colour, side)
        x = round(thing.centre[0] * canvas.width - side / 2)
        y = round(thing.centre[1] * canvas.height - side / 2)
        canvas.paste(patch, (x, y), patch)


def _patch(
    outline: Callable[[ImageDraw.ImageDraw, float, Colour], None], colour: Colour, side: int
) -> Image.Image:
    scale = 3 if side <= _SMOOTH_BELOW else 1
    image = Image.new("RGBA", (side * scale, side * scale), (*colour, 0))
    outline(ImageDraw.Draw(image), side * scale, colour)
    return image.resize((side, side), Image.Resampling.BOX) if scale > 1 else image
