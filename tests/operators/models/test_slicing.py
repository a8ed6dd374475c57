from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from operators.models.base import Geometry
from operators.models.slicing import (
    best_grid,
    image_embeddings,
    image_slices,
    most_image_embeddings,
    video_embeddings,
)

PUBLISHED = Geometry(
    scale_resolution=448, patch_size=14, max_slice_nums=9, query_num=64, context_tokens=32768
)

sides = st.integers(1, 20_000)
most_slices = st.integers(1, 16)


@pytest.mark.parametrize(
    ("size", "embeddings"),
    [
        ((448, 448), 64),
        ((1, 1), 64),
        ((800, 600), 5 * 64),
        ((1024, 768), 5 * 64),
        ((1344, 1344), 10 * 64),
        ((4000, 3000), 10 * 64),
        ((449, 448), 3 * 64),
    ],
)
def test_what_an_image_costs_the_published_2_6(size: tuple[int, int], embeddings: int) -> None:
    assert image_embeddings(*size, PUBLISHED) == embeddings


@pytest.mark.parametrize(
    ("size", "grid"),
    [
        ((448, 448), None),
        ((900, 448), (2, 1)),
        ((448, 900), (1, 2)),
        ((1344, 1344), (3, 3)),
        ((3000, 100), (3, 1)),
        ((100, 9000), (1, 6)),
    ],
)
def test_the_grid_follows_the_shape(
    size: tuple[int, int], grid: tuple[int, int] | None
) -> None:
    assert best_grid(*size, 448, 9) == grid


@given(sides, sides, most_slices)
def test_a_grid_never_has_more_slices_than_allowed(w: int, h: int, most: int) -> None:
    grid = best_grid(w, h, 448, most)
    assert grid is None or 2 <= grid[0] * grid[1] <= most


@given(sides, sides, most_slices)
def test_turning_an_image_turns_its_grid(w: int, h: int, most: int) -> None:
    upright, lying = best_grid(w, h, 448, most), best_grid(h, w, 448, most)
    if upright is None or lying is None:
        assert upright == lying
    else:
        assert _distortion(upright, w, h) == pytest.approx(_distortion(lying, h, w))


def _distortion(grid: tuple[int, int], width: int, height: int) -> float:
    return abs(math.log(width / height) - math.log(grid[0] / grid[1]))


@given(sides, sides)
def test_no_image_costs_more_than_the_costliest(w: int, h: int) -> None:
    embeddings = image_embeddings(w, h, PUBLISHED)
    assert 64 <= embeddings <= most_image_embeddings(PUBLISHED) == 640
    assert embeddings == image_slices(w, h, PUBLISHED) * 64


@given(sides, sides)
def test_an_image_as_small_as_a_slice_is_not_cut(w: int, h: int) -> None:
    if w * h <= 448 * 448:
        assert image_slices(w, h, PUBLISHED) == 1


def test_without_slices_the_costliest_image_is_its_overview() -> None:
    flat = Geometry(448, 14, 1, 64, 32768)
    assert most_image_embeddings(flat) == image_embeddings(4000, 3000, flat) == 64


def test_a_frame_of_a_video_costs_one_slice() -> None:
    assert video_embeddings(40, PUBLISHED) == 2560


def test_useful_pixels_of_the_published_2_6() -> None:
    assert PUBLISHED.max_image_pixels == 1344 * 1344
    assert PUBLISHED.max_frame_pixels == 448 * 448
