"""What a slice shows and where, for the losses that teach vision tower and resampler to see.

A perceiver resampler passes on nothing useful until its attention means something, and
the vision tower learns nothing until then. Two more losses break that circle: each patch
names what covers it, and each query of the resampler what has its centre in the query's
part of the slice. They and their heads are thrown away after training.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from infra.demo.drawing import outline
from infra.demo.lessons.asides import APPEARS, LEAVES, SAME
from infra.demo.lessons.lesson import Marks
from infra.demo.world.scene import Face, Thing
from infra.demo.world.vocabulary import (
    BACKGROUNDS,
    COLOURS,
    MOODS,
    PATTERNS,
    PRODUCTS,
    SIZES,
)

NOTHING = 0
PARTS = 9
"""Parts of a slice: three rows of three.

A query looks at its own part, but nothing in its embedding would say which that is: what is
gathered carries no trace of who gathers. So it is asked for.
"""

PADDING = 255
"""The label of a patch that is not there."""

KINDS = (*PRODUCTS, *MOODS)
CLASSES = {
    "kind": 1 + len(KINDS),
    "colour": 1 + len(COLOURS),
    "pattern": 1 + len(PATTERNS),
    "size": 1 + len(SIZES),
    "background": len(BACKGROUNDS),
    "part": PARTS,
}
"""How many classes each label has; 0 is `NOTHING` for all but those of `EVERYWHERE`."""

EVERYWHERE = ("background", "part")
"""Labels that every place has."""

Labels = NDArray[np.uint8]


def patch_labels(
    marks: Marks, picture: tuple[int, int], part: Sequence[float], grid: tuple[int, int]
) -> Labels:
    """Labels of the patches of a slice.

    Args:
        marks: What is where in the picture.
        picture: Width and height, pixels.
        part: Left, top, right and bottom of the slice in the picture, pixels.
        grid: Rows and columns of patches.

    Returns:
        (rows * columns, len(`CLASSES`)); a patch has the label of what covers its centre, or
        nearly so.
    """
    rows, columns = grid
    left, top, right, bottom = part
    x = left + (np.arange(columns) + 0.5) * (right - left) / columns
    y = top + (np.arange(rows) + 0.5) * (bottom - top) / rows
    labels = np.zeros((rows, columns, len(CLASSES)), np.uint8)
    labels[:, :, 4] = tuple(BACKGROUNDS).index(marks.background)
    labels[:, :, 5] = _parts(rows, columns)
    for placed in marks.things:
        x0, y0, x1, y1 = placed.box(*picture)
        covered = _covered((y - y0) / (y1 - y0), (x - x0) / (x1 - x0), outline(placed.shown))
        labels[covered, :4] = _label(placed.shown)
    return labels.reshape(rows * columns, len(CLASSES))


def query_labels(
    marks: Marks, picture: tuple[int, int], part: Sequence[float], across: int
) -> Labels:
    """Labels of the parts of a slice that the resampler's queries stand for.

    Args:
        marks: What is where in the picture.
        picture: Width and height, pixels.
        part: Left, top, right and bottom of the slice in the picture, pixels.
        across: Parts in a row, and in a column.

    Returns:
        (across * across, len(`CLASSES`)), row by row; a part has the label of the thing whose
        centre is in it, or shows nothing.
    """
    left, top, right, bottom = part
    labels = np.zeros((across, across, len(CLASSES)), np.uint8)
    labels[:, :, 4] = tuple(BACKGROUNDS).index(marks.background)
    labels[:, :, 5] = _parts(across, across)
    for placed in marks.things:
        x, y = (at * side for at, side in zip(placed.centre, picture, strict=True))
        column = math.floor((x - left) / (right - left) * across)
        row = math.floor((y - top) / (bottom - top) * across)
        if 0 <= row < across and 0 <= column < across:
            labels[row, column, :4] = _label(placed.shown)
    return labels.reshape(across * across, len(CLASSES))


def changes(before: Labels, now: Labels) -> list[tuple[int, str]]:
    """What is new in a picture's parts since the picture before, where either shows anything.

    Args:
        before: Of `query_labels`.
        now: Likewise.

    Returns:
        Numbers of parts, and of each a word out of `asides.KNOWN`.
    """
    found = []
    for part, (old, new) in enumerate(zip(before, now, strict=True)):
        if old[0] == NOTHING != new[0]:
            found.append((part, APPEARS))
        elif old[0] != NOTHING == new[0]:
            found.append((part, LEAVES))
        elif old[0] != NOTHING:
            named = zip(CLASSES, old, new, strict=True)
            found.append((part, next((name for name, a, b in named if a != b), SAME)))
    return found


def _parts(rows: int, columns: int) -> NDArray[np.intp]:
    """Which of the `PARTS` each place of a grid is in."""
    across = math.isqrt(PARTS)
    row = np.arange(rows) * across // rows
    column = np.arange(columns) * across // columns
    parts: NDArray[np.intp] = row[:, None] * across + column
    return parts


def _covered(
    y: NDArray[np.float64], x: NDArray[np.float64], outline_: NDArray[np.bool_]
) -> NDArray[np.bool_]:
    """Which places, in fractions of a thing's square, the thing covers."""
    side = len(outline_)
    rows, columns = (np.floor(at * side).astype(int) for at in (y, x))
    inside = ((rows >= 0) & (rows < side))[:, None] & ((columns >= 0) & (columns < side))
    found = outline_[np.ix_(rows.clip(0, side - 1), columns.clip(0, side - 1))]
    covered: NDArray[np.bool_] = inside & found
    return covered


def _label(shown: Thing | Face) -> tuple[int, int, int, int]:
    size = 1 + tuple(SIZES).index(shown.size)
    if isinstance(shown, Face):
        return 1 + KINDS.index(shown.mood), NOTHING, NOTHING, size
    return (
        1 + KINDS.index(shown.product),
        1 + tuple(COLOURS).index(shown.colour),
        1 + PATTERNS.index(shown.pattern),
        size,
    )
