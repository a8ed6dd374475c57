import pytest
from hypothesis import given
from hypothesis import strategies as st

from operators.geometry import fit_within

SIDES = st.integers(1, 60_000)


@given(SIDES, SIDES, st.integers(1, 4_000_000))
def test_the_result_fits_and_keeps_its_shape(width: int, height: int, max_pixels: int) -> None:
    new_width, new_height = fit_within(width, height, max_pixels)
    assert 1 <= new_width <= width
    assert 1 <= new_height <= height
    assert new_width * new_height <= max(1, max_pixels)
    if width * height <= max_pixels:
        assert (new_width, new_height) == (width, height)
    elif min(new_width, new_height) >= 20:
        assert abs(new_width / new_height / (width / height) - 1) < 0.06
        assert (new_width + 1) * (new_height + 1) >= max_pixels * 0.98


@pytest.mark.parametrize(
    ("size", "fitting"),
    [((1280, 720), (448, 252)), ((720, 1280), (252, 448)), ((2560, 1440), (1792, 1008))],
)
def test_what_fits_exactly_loses_no_row(
    size: tuple[int, int], fitting: tuple[int, int]
) -> None:
    assert fit_within(*size, fitting[0] * fitting[1]) == fitting
