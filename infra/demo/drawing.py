"""From a scene to pixels."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageChops, ImageDraw, ImageFilter

from infra.demo.faces import draw_face
from infra.demo.products import OUTLINES, Colour, shade
from infra.demo.world.film import Film
from infra.demo.world.scene import Face, Scene, Thing
from infra.demo.world.vocabulary import BACKGROUNDS, COLOURS, PLACES, SIZES, SKINS

_SMOOTH_BELOW = 700
"""Sides in pixels up to which a thing is drawn larger and shrunk, for smooth edges."""

_BRIGHT = 150
"""Grey value from which a thing's stripes and dots are darker than it, not lighter."""

_BANDS = 5
"""Stripes of a thing, and dots in a row; wide enough to be seen on a small thing."""


@dataclass(frozen=True)
class Placed:
    """A thing or face where it is at one moment.

    Attributes:
        shown: What it is.
        centre: Fractions of width and height.
        side: Fraction of the shorter side.
    """

    shown: Thing | Face
    centre: tuple[float, float]
    side: float

    def box(self, width: int, height: int) -> tuple[float, float, float, float]:
        """Left, top, right and bottom in a picture of a size, in pixels."""
        side = self.side * min(width, height)
        x, y = self.centre[0] * width, self.centre[1] * height
        return x - side / 2, y - side / 2, x + side / 2, y + side / 2


@dataclass(frozen=True)
class Camera:
    """How a picture was taken, as far as no caption tells it.

    Attributes:
        shift: How far a thing may be from its place, as a fraction of the picture's sides.
        zoom: By how much its size may differ, as a fraction.
        noise: Standard deviation of the noise, grey values.
        blur: Radius, as a fraction of the shorter side.
        seed: Of all that.
    """

    shift: float = 0.0
    zoom: float = 0.0
    noise: float = 0.0
    blur: float = 0.0
    seed: int = 0


TRIPOD = Camera()
"""Everything exactly where it should be."""


def hand_held(seed: int) -> Camera:
    """A camera like those of a catalogue's many photographers: the seed decides."""
    rng = random.Random(f"camera {seed}")
    noise = rng.choice((0.0, 0.0, 2.0, 4.0, 6.0))
    blur = rng.choice((0.0, 0.0, 0.002, 0.004))
    return Camera(0.03, 0.1, noise, blur, seed)


def arranged(scene: Scene, camera: Camera = TRIPOD) -> list[Placed]:
    """Where everything is in a picture."""
    rng = random.Random(camera.seed)
    return [_moved(_at_rest(one), camera, rng) for one in scene.shown]


def filmed(film: Film, at_s: float) -> list[Placed]:
    """Where everything is at a second from a film's start."""
    shot = film.shot_at(at_s)
    thing, event = shot.seen(at_s), shot.event
    if thing is None:
        return []
    now = _at_rest(thing)
    if event.after and event.start_s <= at_s < event.end_s:
        part = (at_s - event.start_s) / (event.end_s - event.start_s)
        (x0, y0), (x1, y1) = now.centre, _at_rest(event.after).centre
        now = replace(now, centre=(x0 + (x1 - x0) * part, y0 + (y1 - y0) * part))
    return [now]


def draw_scene(
    scene: Scene,
    width: int,
    height: int,
    *,
    transparent: bool = False,
    camera: Camera = TRIPOD,
) -> Image.Image:
    """Draw a picture.

    Args:
        scene: What it shows.
        width: Pixels.
        height: Pixels.
        transparent: Leave the background out, noise and blur with it.
        camera: How it was taken.

    Returns:
        An RGB image, or RGBA if transparent.
    """
    if transparent:
        canvas = Image.new("RGBA", (width, height), (0, 0, 0, 0))
    else:
        canvas = _studio(BACKGROUNDS[scene.background], width, height)
    _put(canvas, arranged(scene, camera))
    return canvas if transparent else _taken(canvas, camera)


def draw_frame(film: Film, at_s: float, width: int, height: int) -> Image.Image:
    """Draw the frame of a film at a second from its start, in RGB."""
    canvas = _studio(BACKGROUNDS[film.shot_at(at_s).background], width, height)
    _put(canvas, filmed(film, at_s))
    return canvas


def _at_rest(shown: Thing | Face) -> Placed:
    return Placed(shown, PLACES[shown.place], SIZES[shown.size])


@lru_cache(maxsize=256)
def _ramp(colour: Colour, height: int) -> Image.Image:
    ramp = Image.linear_gradient("L").resize((1, height)).point(lambda v: 255 - v // 16)
    return Image.merge("RGB", [ramp.point(lambda v, c=c: v * c // 255) for c in colour])


def _studio(colour: Colour, width: int, height: int) -> Image.Image:
    """A background that gets a little darker towards the floor, as in a photo studio."""
    return _ramp(colour, height).resize((width, height))


def _moved(thing: Placed, camera: Camera, rng: random.Random) -> Placed:
    x, y = (at + rng.uniform(-camera.shift, camera.shift) for at in thing.centre)
    zoom = 1 + rng.uniform(-camera.zoom, camera.zoom)
    return replace(thing, centre=(x, y), side=thing.side * zoom)


def _taken(picture: Image.Image, camera: Camera) -> Image.Image:
    if camera.blur:
        radius = camera.blur * min(picture.size)
        picture = picture.filter(ImageFilter.GaussianBlur(radius))
    if camera.noise:
        picture = _noisy(picture, camera)
    return picture


_GRAIN = 256
"""Side of the square of noise that is repeated over a picture."""

_GRAINS = 64


@lru_cache(maxsize=256)
def _grain(number: int, noise: float) -> Image.Image:
    bytes_ = random.Random(f"grain {number}").randbytes(_GRAIN * _GRAIN)
    # A byte has a standard deviation of 74.
    part = noise / 74
    tile = Image.frombytes("L", (_GRAIN, _GRAIN), bytes_)
    return tile.point(lambda v: round(128 + (v - 128) * part))


def _noisy(picture: Image.Image, camera: Camera) -> Image.Image:
    tile = _grain(camera.seed % _GRAINS, camera.noise)
    sheet = Image.new("L", picture.size)
    for x in range(0, picture.width, _GRAIN):
        for y in range(0, picture.height, _GRAIN):
            sheet.paste(tile, (x, y))
    return ImageChops.add(picture, Image.merge("RGB", [sheet] * 3), offset=-128)


def _put(canvas: Image.Image, things: Sequence[Placed]) -> None:
    for thing in things:
        left, top, right, _ = thing.box(*canvas.size)
        patch = _patch(_figure(thing.shown), max(8, round(right - left)))
        canvas.paste(patch, (round(left), round(top)), patch)


_OUTLINE_SIDE = 36
_NEARLY = 5
"""Cells of an outline by which it is grown, so that thin parts are not missed."""


def outline(shown: Thing | Face) -> NDArray[np.bool_]:
    """What a thing covers of its square, generously: a square array."""
    return _outline(_figure(shown).outline)


@lru_cache(maxsize=64)
def _outline(name: str) -> NDArray[np.bool_]:
    alpha = _patch(_Figure(name, "plain", (0, 0, 0)), _OUTLINE_SIDE).getchannel("A")
    grown = alpha.filter(ImageFilter.MaxFilter(_NEARLY))
    covered: NDArray[np.bool_] = np.asarray(grown) > 128
    return covered


@dataclass(frozen=True)
class _Figure:
    """What a thing looks like, wherever it is."""

    outline: str
    pattern: str
    colour: Colour


def _figure(shown: Thing | Face) -> _Figure:
    if isinstance(shown, Face):
        return _Figure(shown.mood, "plain", SKINS[shown.skin])
    return _Figure(shown.product, shown.pattern, COLOURS[shown.colour])


@lru_cache(maxsize=256)
def _patch(figure: _Figure, side: int) -> Image.Image:
    scale = 3 if side <= _SMOOTH_BELOW else 1
    image = Image.new("RGBA", (side * scale, side * scale), (*figure.colour, 0))
    draw = ImageDraw.Draw(image)
    if figure.outline in OUTLINES:
        OUTLINES[figure.outline](draw, side * scale, figure.colour)
    else:
        draw_face(draw, side * scale, figure.colour, figure.outline)
    if figure.pattern != "plain":
        _decorate(image, figure)
    return image.resize((side, side), Image.Resampling.BOX) if scale > 1 else image


def _decorate(image: Image.Image, figure: _Figure) -> None:
    """Lay stripes or dots over a thing, within its outline."""
    side = image.width
    mask = Image.new("L", image.size, 0)
    draw = ImageDraw.Draw(mask)
    step = side / _BANDS
    for row in range(_BANDS):
        top = row * step
        if figure.pattern == "striped":
            draw.rectangle((0, top + 0.25 * step, side, top + 0.7 * step), 255)
            continue
        for column in range(_BANDS + 1):
            left = (column - 0.5 * (row % 2)) * step
            box = (left + 0.2 * step, top + 0.2 * step, left + 0.8 * step, top + 0.8 * step)
            draw.ellipse(box, 255)
    red, green, blue = figure.colour
    is_bright = 0.3 * red + 0.6 * green + 0.1 * blue >= _BRIGHT
    overlay = Image.new("RGB", image.size, shade(figure.colour, -0.5 if is_bright else 0.65))
    within = ImageChops.multiply(mask, image.getchannel("A"))
    opaque = image.convert("RGB")
    opaque.paste(overlay, (0, 0), within)
    opaque.putalpha(image.getchannel("A"))
    image.paste(opaque, (0, 0))
