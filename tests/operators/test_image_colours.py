"""Colour profiles, against what the two spaces' definitions say."""

import cv2
import numpy as np
import pytest
from PIL import Image

from operators.images import colours, decode_image
from schemas.failure import FailureCode, ItemFailure
from tests.media import profiles
from tests.media.pictures import encoded
from tests.media.profiles import ADOBE_RGB, WIDE_P3, Space

COLOURS = [(200, 100, 50), (90, 160, 120), (30, 60, 200), (255, 255, 255), (128, 128, 128)]


def decoded(data: bytes, max_pixels: int = 10**6) -> np.ndarray:
    frames = decode_image(data, max_pixels=max_pixels, max_source_pixels=10**8)
    return np.frombuffer(frames.pixels, np.uint8).reshape(*frames.shapes[0], 3).astype(int)


@pytest.mark.parametrize("space", [ADOBE_RGB, WIDE_P3], ids=lambda space: space.name)
@pytest.mark.parametrize("colour", COLOURS)
@pytest.mark.parametrize("form", ["PNG", "TIFF", "JPEG", "WEBP", "AVIF", "HEIF"])
def test_wide_spaces_end_in_srgb(space: Space, colour: tuple[int, int, int], form: str) -> None:
    options = {} if form in ("PNG", "TIFF") else {"quality": 98}
    data = encoded(
        Image.new("RGB", (64, 64), colour),
        form,
        icc_profile=profiles.rgb_profile(space),
        **options,
    )
    tolerance = 1 if form in ("PNG", "TIFF") else 5
    assert np.abs(decoded(data) - profiles.in_srgb(space, colour)).max() <= tolerance


@pytest.mark.parametrize("max_pixels", [10**6, 500])
def test_a_profile_and_transparency_together(max_pixels: int) -> None:
    picture = Image.new("RGBA", (64, 32), (200, 100, 50, 255))
    picture.paste((0, 0, 0, 0), (32, 0, 64, 32))
    data = encoded(picture, "PNG", icc_profile=profiles.rgb_profile(WIDE_P3))
    pixels = decoded(data, max_pixels)
    assert np.abs(pixels[5, 5] - profiles.in_srgb(WIDE_P3, (200, 100, 50))).max() <= 1
    assert (pixels[5, -5] == 255).all()


@pytest.mark.parametrize("form", ["JPEG", "TIFF"])
@pytest.mark.parametrize(
    ("inks", "seen"),
    [
        ((255, 0, 0, 0), (255, 0, 255)),
        ((0, 255, 0, 0), (0, 255, 255)),
        ((0, 0, 0, 255), (0, 0, 0)),
        ((0, 0, 0, 0), (255, 255, 255)),
    ],
)
def test_inks_are_as_their_profile_says(inks: tuple[int, ...], seen, form: str) -> None:
    profile = profiles.swapped_inks_profile()
    data = encoded(Image.new("CMYK", (16, 16), inks), form, icc_profile=profile)
    assert np.abs(decoded(data) - seen).max() <= 3


def test_a_profile_for_other_pixels_is_left_out() -> None:
    data = encoded(
        Image.new("RGB", (8, 8), (200, 100, 50)),
        "PNG",
        icc_profile=profiles.swapped_inks_profile(),
    )
    assert (decoded(data) == (200, 100, 50)).all()


@pytest.mark.parametrize("mode", ["I;16", "I", "F"])
def test_deep_samples_are_scaled_strip_by_strip_as_they_would_be_at_once(
    mode: str, monkeypatch
) -> None:
    noise = np.random.default_rng(0).integers(0, 2**16, (50, 40), np.uint16)
    deep = noise if mode == "I;16" else noise.astype(np.int32 if mode == "I" else np.float32)
    # Beyond their natural range, with both ends in other strips.
    deep[3, 5], deep[40, 7] = (0, 65_535) if mode == "I;16" else (-300_000, 300_000)
    data = encoded(Image.fromarray(deep), "TIFF")
    whole = decoded(data)
    monkeypatch.setattr(colours, "_SAMPLES_AT_ONCE", 7 * 40)
    assert (decoded(data) == whole).all()
    assert (whole[3, 5] == 0).all()
    assert (whole[40, 7] == 255).all()


def test_pixels_of_an_unknown_kind_are_a_failure_with_the_remedy() -> None:
    _, floats = cv2.imencode(".tiff", np.full((20, 20, 3), 0.5, np.float32))
    with pytest.raises(ItemFailure) as caught:
        decode_image(floats.tobytes(), max_pixels=10**6, max_source_pixels=10**6)
    assert caught.value.code is FailureCode.CORRUPT
    assert "pixels of an unknown kind; convert it" in caught.value.message
