"""Items of several images: how many are shown, and what a broken one costs."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from operators.decode import DecodeOperator
from operators.fetch import chosen_places
from schemas.item import (
    DecodedItem,
    Item,
    Medium,
    PendingTask,
)
from schemas.item_tables import items_to_plan, table_to_decoded
from schemas.job import MediaSpec, SeveralImages, StorageSpec
from schemas.media import MediaKind
from tests.media import pictures


def decoded(folder: Path, good: list[bool], **policy) -> DecodedItem:
    """Images of widths 40, 41, ...; those that are not good are no images."""
    media = []
    for number, whole in enumerate(good):
        path = folder / f"{number}.png"
        drawn = pictures.encoded(pictures.quadrants(40 + number, 20), "PNG")
        path.write_bytes(drawn if whole else b"no picture")
        media.append(Medium(str(path), None, None))
    item = Item("i", MediaKind.IMAGES, "v", tuple(media), (PendingTask("t", "f"),))
    operator = DecodeOperator(
        StorageSpec(), MediaSpec(images=SeveralImages(**policy)), 10**6, 10**6
    )
    operator.setup()
    [out] = table_to_decoded(operator(items_to_plan([item])))
    operator.close()
    return out


def widths(out: DecodedItem) -> list[int]:
    return [width for _, width in out.frames.shapes]


def test_a_broken_image_fails_the_item_unless_the_job_says_otherwise(tmp_path):
    out = decoded(tmp_path, [True, False, True])
    assert out.frames is None
    assert out.failure.code == "not_media"
    assert out.left_out == ()


def test_a_broken_image_can_be_left_out_and_is_named(tmp_path):
    out = decoded(tmp_path, [True, False, True], broken="leave_out")
    assert widths(out) == [40, 42]
    assert [(left.index, left.code) for left in out.left_out] == [(1, "not_media")]
    assert out.places == (0, 2)


def test_an_item_of_broken_images_alone_fails(tmp_path):
    out = decoded(tmp_path, [False, False], broken="leave_out")
    assert out.failure.code == "not_media"


def test_an_item_without_images_fails(tmp_path):
    assert decoded(tmp_path, []).failure.code == "no_media"


@pytest.mark.parametrize(
    ("pick", "expected"), [("first", [40, 41, 42]), ("spread", [40, 60, 79])]
)
def test_too_many_images_are_cut_to_a_stated_choice(tmp_path, pick, expected):
    out = decoded(tmp_path, [True] * 40, max=3, pick=pick)
    assert widths(out) == expected
    assert len(out.left_out) == 37
    assert {left.code for left in out.left_out} == {"limit"}


@given(
    count=st.integers(1, 200),
    most=st.integers(1, 64),
    pick=st.sampled_from(["first", "spread"]),
)
def test_the_choice_is_in_order_and_no_larger_than_allowed(count, most, pick):
    places = chosen_places(count, SeveralImages(max=most, pick=pick))
    assert len(places) == min(count, most)
    assert places == sorted(set(places))
    assert 0 <= places[0] <= places[-1] < count
