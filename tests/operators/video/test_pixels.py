from fractions import Fraction

import numpy as np
import pytest

from operators.video.pixels import UPRIGHT, orientation_of, shown_size, turn

ONE = 1 << 16
PICTURE = np.arange(2 * 3 * 3, dtype=np.uint8).reshape(2, 3, 3)


def matrix(a: int, b: int, c: int, d: int) -> bytes:
    values = [a * ONE, b * ONE, 0, c * ONE, d * ONE, 0, 0, 0, 1 << 30]
    return np.array(values, "<i4").tobytes()


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        ((1, 0, 0, 1), PICTURE),
        ((-1, 0, 0, -1), np.rot90(PICTURE, 2)),
        ((0, 1, -1, 0), np.rot90(PICTURE, -1)),
        ((0, -1, 1, 0), np.rot90(PICTURE, 1)),
        ((-1, 0, 0, 1), PICTURE[:, ::-1]),
        ((1, 0, 0, -1), PICTURE[::-1]),
        ((0, 1, 1, 0), PICTURE.transpose(1, 0, 2)),
    ],
)
def test_turns_and_flips(parts: tuple[int, int, int, int], expected: np.ndarray) -> None:
    assert np.array_equal(turn(PICTURE, orientation_of(matrix(*parts))), expected)


@pytest.mark.parametrize("data", [None, b"", b"short"])
def test_no_matrix_is_upright(data: bytes | None) -> None:
    assert orientation_of(data) == UPRIGHT


@pytest.mark.parametrize(
    ("aspect", "turned", "expected"),
    [
        (None, False, (720, 576)),
        (Fraction(1), True, (576, 720)),
        (Fraction(64, 45), False, (1024, 576)),
        (Fraction(1000), False, (720, 576)),
        (Fraction(0), False, (720, 576)),
    ],
)
def test_pixels_that_are_not_square(aspect, turned, expected) -> None:
    assert shown_size(720, 576, aspect, turned) == expected
