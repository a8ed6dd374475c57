"""How many slices MiniCPM-V cuts an image into, and what they cost.

Adaptive slicing of LLaVA-UHD (Xu et al., 2024, arXiv:2403.11703, section 3.1) as used by
MiniCPM-V (Yao et al., 2024, arXiv:2408.01800): an image is cut into about as many slices
as its area holds squares of the vision encoder's resolution, in the grid whose cells are
nearest to square, and an overview of the whole image goes before them.
"""

from __future__ import annotations

import math

from operators.models.base import Geometry

Grid = tuple[int, int]


def best_grid(width: int, height: int, scale_resolution: int, max_slices: int) -> Grid | None:
    """The grid in which an image is cut.

    Args:
        width: Of the image, in pixels; at least 1.
        height: Likewise.
        scale_resolution: Side of the square whose area one slice has, in pixels.
        max_slices: Most slices of an image.

    Returns:
        (columns, rows), or None if the image is small enough for its overview to do.
    """
    wanted = min(math.ceil(width * height / scale_resolution**2), max_slices)
    if wanted <= 1:
        return None
    log_shape = math.log(width / height)
    best: Grid = (1, 1)
    least_error = math.inf
    for grid in _grids_of_about(wanted, max_slices):
        error = abs(log_shape - math.log(grid[0] / grid[1]))
        if error < least_error:
            best, least_error = grid, error
    return best


def _grids_of_about(wanted: int, max_slices: int) -> list[Grid]:
    return [
        (columns, count // columns)
        for count in range(max(wanted - 1, 2), min(wanted + 1, max_slices) + 1)
        for columns in range(1, count + 1)
        if count % columns == 0
    ]


def image_slices(width: int, height: int, geometry: Geometry) -> int:
    """Pictures that the vision encoder sees of an image: its overview and its slices."""
    grid = best_grid(width, height, geometry.scale_resolution, geometry.max_slice_nums)
    return 1 if grid is None else 1 + grid[0] * grid[1]


def image_embeddings(width: int, height: int, geometry: Geometry) -> int:
    """Embeddings that an image of this size occupies in the prompt."""
    return image_slices(width, height, geometry) * geometry.query_num


def most_image_embeddings(geometry: Geometry) -> int:
    """Embeddings of the costliest image."""
    slices = geometry.max_slice_nums if geometry.max_slice_nums > 1 else 0
    return (1 + slices) * geometry.query_num


def video_embeddings(frame_count: int, geometry: Geometry) -> int:
    """Embeddings of a video: each frame is one picture, whatever its size."""
    return frame_count * geometry.query_num
