"""What scenes and films are made of, and what it is called."""

from __future__ import annotations

from typing import Literal

PRODUCTS = (
    "mug",
    "shirt",
    "shoe",
    "lamp",
    "chair",
    "bag",
    "ball",
    "bottle",
    "clock",
    "star",
)
COLOURS = {
    "red": (208, 32, 40),
    "orange": (240, 132, 24),
    "yellow": (246, 208, 32),
    "green": (36, 148, 68),
    "blue": (32, 88, 208),
    "purple": (124, 52, 168),
    "brown": (120, 72, 40),
    "black": (24, 24, 28),
}
PATTERNS = ("plain", "striped", "dotted")
BACKGROUNDS = {
    "white": (252, 252, 252),
    "grey": (188, 190, 194),
    "cream": (244, 232, 204),
    "sky blue": (190, 220, 244),
    "mint": (196, 236, 212),
    "pink": (248, 208, 220),
    "lilac": (214, 200, 242),
    "slate": (112, 128, 146),
}
SIZES = {"small": 0.26, "large": 0.42}
"""Side of a thing's square, as a fraction of the picture's shorter side."""

PLACES = {
    "at the left": (0.23, 0.5),
    "at the right": (0.77, 0.5),
    "in the centre": (0.5, 0.5),
    "at the top": (0.5, 0.23),
    "at the bottom": (0.5, 0.77),
    "at the top left": (0.23, 0.23),
    "at the top right": (0.77, 0.23),
    "at the bottom left": (0.23, 0.77),
    "at the bottom right": (0.77, 0.77),
}
"""Centre of a thing, as fractions of width and height."""

Mood = Literal["happy", "sad", "angry", "calm"]
MOODS: tuple[Mood, ...] = ("happy", "sad", "angry", "calm")
SKINS = {
    "pale": (250, 220, 190),
    "tan": (226, 178, 128),
    "golden": (250, 204, 84),
    "deep": (150, 98, 66),
}
"""Tones of faces; captions do not name them."""

EventKind = Literal["appears", "moves", "changes colour", "leaves"]
EVENT_KINDS: tuple[EventKind, ...] = ("appears", "moves", "changes colour", "leaves")

_ROOM = 0.5
"""Two things do not touch if their centres are this far apart, in width or in height."""


def apart(place: str) -> tuple[str, ...]:
    """The places at which a thing does not touch one at this place."""
    x, y = PLACES[place]
    return tuple(
        other
        for other, (other_x, other_y) in PLACES.items()
        if max(abs(x - other_x), abs(y - other_y)) >= _ROOM
    )


def joined(parts: tuple[str, ...]) -> str:
    """Such as "a, b and c"."""
    *most, last = parts
    return f"{', '.join(most)} and {last}" if most else last


def indefinite(phrase: str) -> str:
    """With its article, such as "an orange mug"."""
    return f"{'an' if phrase[0] in 'aeiou' else 'a'} {phrase}"


def capitalised(text: str) -> str:
    """With its first letter in upper case, the others as they are."""
    return text[0].upper() + text[1:]
