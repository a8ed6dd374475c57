"""Where long videos are cut."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from operators.video.windows import block_means, change, window_size

CHANGES = st.lists(st.floats(0, 255), min_size=1, max_size=64)


@given(CHANGES)
def test_a_window_is_never_empty_nor_too_large(changes):
    assert 1 <= window_size(changes) <= len(changes)


@given(st.integers(4, 64), st.data())
def test_it_ends_at_the_last_shot_boundary_that_leaves_it_large_enough(most, data):
    calm = data.draw(st.floats(0, 5))
    cuts = data.draw(st.sets(st.integers(1, most), max_size=max(1, most // 4)))
    changes = [80.0 if size in cuts else calm for size in range(1, most + 1)]
    expected = [cut for cut in cuts if cut >= most // 4]
    assert window_size(changes) == max(expected, default=most)


def test_without_a_boundary_it_is_as_large_as_it_may_be():
    assert window_size([3.0] * 32) == 32
    assert window_size([200.0] * 32) == 32  # What always changes is no boundary.
    assert window_size([200.0]) == 1


def test_blocks_are_means_whatever_the_size():
    rng = np.random.default_rng(1)
    pixels = rng.integers(0, 256, (64, 120, 3), np.uint8)
    means = block_means(pixels)
    assert means.shape == (8, 8, 3)
    assert np.allclose(means[0, 0], pixels[:8, :15].mean((0, 1)), atol=0.01)
    assert np.allclose(means[7, 7], pixels[56:, 105:].mean((0, 1)), atol=0.01)
    assert block_means(pixels[:3, :5]).shape == (3, 5, 3)


def test_a_cut_changes_far_more_than_motion_or_noise():
    rng = np.random.default_rng(2)
    first = np.full((180, 320, 3), (40, 90, 160), np.uint8)
    first[60:120, 40:100] = (220, 200, 30)
    moved = np.roll(first, 12, axis=1)
    noisy = (moved + rng.integers(0, 6, moved.shape)).astype(np.uint8)
    other = np.full((180, 320, 3), (190, 60, 50), np.uint8)
    calm = [change(block_means(first), block_means(moved))]
    calm.append(change(block_means(moved), block_means(noisy)))
    assert change(block_means(noisy), block_means(other)) > 5 * max(calm)
    assert change(block_means(first), block_means(first[:4, :4])) == 255.0
