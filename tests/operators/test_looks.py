"""Looks of drawn pictures: near for the same picture stored otherwise, apart for any other."""

from __future__ import annotations

import io
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageFilter

from infra.demo.drawing import draw_scene, hand_held
from infra.demo.world.scene import scene_of
from operators.images import decode_image
from operators.looks import BITS, Look, look_of

NEAR = 4
"""What the job file's documentation recommends."""

SEEDS = range(930_000, 930_024)


def drawn(seed: int, side: int = 320) -> Image.Image:
    return draw_scene(scene_of(seed), side, side * 3 // 4, camera=hand_held(seed))


def stored(picture: Image.Image, form: str = "png", **options) -> bytes:
    file = io.BytesIO()
    picture.save(file, form, **options)
    return file.getvalue()


def look(file: bytes) -> Look | None:
    return look_of(decode_image(file, max_pixels=10**6, max_source_pixels=10**7))


def seen(file: bytes) -> Look:
    found = look(file)
    assert found is not None
    return found


def alike(one: Look, other: Look, near: int = NEAR) -> bool:
    return one.distance(other) <= near and one.has_tints_of(other)


def half(picture: Image.Image) -> Image.Image:
    return picture.resize((picture.width // 2, picture.height // 2), Image.Resampling.BICUBIC)


def turned(picture: Image.Image) -> bytes:
    """On its side, with the note that turns it upright."""
    exif = Image.Exif()
    exif[0x0112] = 6
    return stored(picture.transpose(Image.Transpose.ROTATE_90), exif=exif)


STORED_ANEW = {
    "jpeg 30": (0.9, lambda p: stored(p, "jpeg", quality=30)),
    "jpeg 75": (0.95, lambda p: stored(p, "jpeg", quality=75)),
    "jpeg 95": (1.0, lambda p: stored(p, "jpeg", quality=95)),
    "webp 50": (0.9, lambda p: stored(p, "webp", quality=50)),
    "half as large": (0.9, lambda p: stored(half(p))),
    "half as large, jpeg 50": (0.8, lambda p: stored(half(p), "jpeg", quality=50)),
    "turned": (1.0, turned),
    "on transparent ground": (1.0, lambda p: stored(p.convert("RGBA"))),
}


@pytest.mark.parametrize("how", STORED_ANEW)
def test_a_picture_that_is_stored_otherwise_looks_alike(how):
    least, store = STORED_ANEW[how]
    found = [alike(seen(stored(drawn(seed))), seen(store(drawn(seed)))) for seed in SEEDS]
    assert np.mean(found) >= least


def test_no_two_pictures_look_alike():
    found = [look(stored(drawn(seed, 160))) for seed in range(931_000, 931_200)]
    looks = [one for one in found if one is not None]
    assert len(looks) > 190
    pairs = [(a, b) for n, a in enumerate(looks) for b in looks[:n]]
    assert not any(alike(a, b, 12) for a, b in pairs)
    # The hash alone would take some for others.
    assert any(a.distance(b) <= NEAR for a, b in pairs)


def test_another_colour_is_another_picture():
    for seed in SEEDS:
        scene = scene_of(seed)
        [thing, *rest] = scene.things
        colour = "blue" if thing.colour != "blue" else "red"
        other = replace(scene, things=(replace(thing, colour=colour), *rest))
        one, two = (
            seen(stored(draw_scene(s, 320, 240, camera=hand_held(seed))))
            for s in (scene, other)
        )
        assert not alike(one, two, 12)


@pytest.mark.parametrize("grey", [0, 128, 255])
def test_a_flat_picture_has_no_look(grey):
    flat = Image.new("RGB", (300, 200), (grey,) * 3)
    assert look(stored(flat)) is None
    grain = np.random.default_rng(1).normal(grey, 4, (200, 300, 3)).clip(0, 255)
    assert look(stored(Image.fromarray(grain.astype(np.uint8)))) is None


@pytest.mark.parametrize("size", [(1, 1), (1, 500), (500, 1), (31, 33), (2, 3)])
def test_odd_sizes_have_a_look_or_none(size):
    pixels = np.random.default_rng(0).integers(0, 255, (*size[::-1], 3), np.uint8)
    found = look(stored(Image.fromarray(pixels)))
    assert found is None or 0 <= found.bits < 2**BITS


def test_a_blurred_picture_differs_in_few_bits():
    for seed in SEEDS:
        soft = drawn(seed).filter(ImageFilter.GaussianBlur(1.0))
        assert seen(stored(drawn(seed))).distance(seen(stored(soft))) <= 8


@given(st.integers(0, 2**BITS - 1), st.binary(min_size=384, max_size=384))
def test_it_survives_its_bytes(bits, tints):
    one = Look(bits, tints)
    assert Look.from_bytes(one.to_bytes()) == one
    assert one.distance(one) == 0
    assert one.has_tints_of(one)


@given(st.integers(0, 255), st.integers(0, 255), st.integers(0, 383))
def test_tints_agree_up_to_the_tolerance_and_no_further(here, there, cell):
    tints = bytearray(384)
    one, other = bytearray(tints), bytearray(tints)
    one[cell], other[cell] = here, there
    agree = Look(0, bytes(one)).has_tints_of(Look(0, bytes(other)))
    assert agree is (abs(here - there) <= 12)
