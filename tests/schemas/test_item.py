from __future__ import annotations

import pickle
import weakref
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.failure import FailureCode, ItemFailure, Stage
from schemas.item import (
    DecodedItem,
    Item,
    Medium,
    PendingTask,
)
from schemas.item_tables import (
    decoded_to_table,
    items_to_plan,
    plan_to_items,
    table_to_decoded,
)
from schemas.media import Frames, MediaKind, kind_from_name
from schemas.uris import join_uri

TEXT = st.text(min_size=1, max_size=40)
ITEMS = st.builds(
    Item,
    item_id=TEXT,
    kind=st.sampled_from(MediaKind),
    item_version=TEXT,
    media=st.lists(
        st.builds(
            Medium,
            uri=TEXT,
            size=st.none() | st.integers(0, 2**60),
            version=st.none() | TEXT,
        ),
        min_size=1,
        max_size=3,
    ).map(tuple),
    tasks=st.lists(
        st.builds(
            PendingTask,
            name=TEXT,
            fingerprint=TEXT,
            replaces=st.booleans(),
            attempt=st.integers(1, 9),
            failed_before=st.booleans(),
        ),
        max_size=3,
    ).map(tuple),
)


@given(items=st.lists(ITEMS, max_size=4))
def test_a_plan_comes_back_as_it_went(items):
    assert plan_to_items(items_to_plan(items)) == items


@given(item=ITEMS, sizes=st.lists(st.tuples(st.integers(1, 4), st.integers(1, 4)), min_size=1))
def test_decoded_items_come_back_with_their_pixels_uncopied(item, sizes):
    pixels = bytes(range(256)) * 20
    needed = sum(h * w * 3 for h, w in sizes)
    frames = Frames(
        kind=MediaKind.VIDEO,
        pixels=pixels[:needed] if needed <= len(pixels) else bytes(needed),
        shapes=tuple(sizes),
        pts_s=tuple(float(n) for n in range(len(sizes))),
        source_width=7,
        source_height=9,
        duration_s=1.5,
        source_format="mp4",
    )
    item = replace(item, kind=MediaKind.VIDEO)
    failure = ItemFailure(Stage.DECODE, FailureCode.CORRUPT, "broken", raw_text="raw")
    table = decoded_to_table(
        [DecodedItem(item, frames, None), DecodedItem(item, None, failure)]
    )
    whole, broken = table_to_decoded(table)
    assert whole.item == broken.item == item
    assert whole.frames is not None
    assert bytes(whole.frames.pixels) == bytes(frames.pixels)
    assert (whole.frames.shapes, whole.frames.pts_s) == (frames.shapes, frames.pts_s)
    assert isinstance(whole.frames.pixels, memoryview)
    assert broken.frames is None
    assert broken.failure is not None
    assert (broken.failure.code, broken.failure.raw_text) == (FailureCode.CORRUPT, "raw")


def test_frames_whose_pixels_do_not_fit_their_shapes_are_refused():
    with pytest.raises(ValueError, match="hold 11 bytes"):
        Frames(MediaKind.IMAGE, bytes(11), ((2, 2),))
    with pytest.raises(ValueError, match="1 pts for 2 frames"):
        Frames(MediaKind.VIDEO, bytes(24), ((2, 2), (2, 2)), (0.0,))


def test_a_failure_survives_the_way_between_processes():
    failure = ItemFailure(Stage.FETCH, FailureCode.STORAGE_UNAVAILABLE, "gone", raw_text="x")
    copy = pickle.loads(pickle.dumps(failure))  # noqa: S301 - our own bytes
    assert (copy.stage, copy.code, copy.message, copy.raw_text) == (
        failure.stage,
        failure.code,
        "gone",
        "x",
    )
    assert copy.retryable


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("a.JPG", MediaKind.IMAGE),
        ("b/c.webp", MediaKind.IMAGE),
        ("x.y.Mp4", MediaKind.VIDEO),
        ("notes.txt", None),
        ("jpg", None),
        ("", None),
    ],
)
def test_kinds_by_name(name, kind):
    assert kind_from_name(name) is kind


@pytest.mark.parametrize(
    ("base", "joined"),
    [
        ("s3://b/x/", "s3://b/x/t/u"),
        ("s3://b", "s3://b/t/u"),
        ("/data/out/", "/data/out/t/u"),
        ("out", "out/t/u"),
    ],
)
def test_joining(base, joined):
    assert join_uri(base, "t", "u") == joined


def test_pixels_are_let_go_once_they_are_packed():
    pixels = np.full(12, 7, np.uint8)
    freed = weakref.ref(pixels)
    item = Item("a", MediaKind.IMAGE, "v", (), ())
    with_pixels = DecodedItem(item, Frames(MediaKind.IMAGE, pixels.data, ((2, 2),)), None)
    without = DecodedItem(item, None, ItemFailure(Stage.FETCH, FailureCode.CORRUPT, "no"))
    packed = decoded_to_table([without, with_pixels, with_pixels])
    del pixels, with_pixels
    assert freed() is None
    assert packed.column("pixels").to_pylist() == [None, bytes([7] * 12), bytes([7] * 12)]
    packed.validate(full=True)
