"""What is changed of a request that failed, until the model answers it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from operators.base import Sampling
from operators.repairs import (
    FEWER_FRAMES,
    LEAST_SIDE,
    MORE_TOKENS,
    MOST_REDUCTIONS,
    OTHER_SEED,
    SMALLER_PIXELS,
    every_second,
    other_sampling,
    reduced,
)
from schemas.failure import FailureCode
from schemas.media import Frames, MediaKind
from tests.fixtures.engines import picture, pictures, video

TOO_LONG = FailureCode.PROMPT_TOO_LONG


def climbed(frames: Frames, failure: FailureCode) -> list[tuple[str, Frames]]:
    rungs: list[tuple[str, Frames]] = []
    while rung := reduced(
        rungs[-1][1] if rungs else frames, failure, [name for name, _ in rungs]
    ):
        rungs.append(rung)
    return rungs


def test_a_video_loses_frames_first_and_then_pixels():
    rungs = climbed(video(8, 300, 240), TOO_LONG)
    assert [name for name, _ in rungs] == [FEWER_FRAMES] * 3 + [SMALLER_PIXELS] * 2
    assert [len(shown.shapes) for _, shown in rungs] == [4, 2, 1, 1, 1]
    assert rungs[-1][1].shapes == ((60, 75),)


def test_frames_that_stay_keep_their_pixels_and_times():
    whole = video(5, 6, 4)
    kept = every_second(whole)
    assert kept.pts_s == (0.0, 1.0, 2.0)
    size = 6 * 4 * 3
    expected = b"".join(bytes(whole.pixels[n * size : (n + 1) * size]) for n in (0, 2, 4))
    assert bytes(kept.pixels) == expected


def test_pictures_are_all_halved():
    [(name, shown), *_] = climbed(pictures((200, 120), (300, 400)), TOO_LONG)
    assert name == SMALLER_PIXELS
    assert shown.shapes == ((60, 100), (200, 150))
    assert shown.kind is MediaKind.IMAGES


def test_halving_keeps_what_is_seen():
    dark_and_light = np.zeros((120, 200, 3), np.uint8)
    dark_and_light[:, 100:] = 200
    whole = Frames(MediaKind.IMAGE, dark_and_light.tobytes(), ((120, 200),))
    [(_, half), *_] = climbed(whole, TOO_LONG)
    pixels = np.frombuffer(bytes(half.pixels), np.uint8).reshape(60, 100, 3)
    assert (pixels[:, :50] == 0).all()
    assert (pixels[:, 50:] == 200).all()


@pytest.mark.parametrize("failure", sorted(set(FailureCode) - set(MOST_REDUCTIONS)))
def test_other_failures_are_not_mended_by_showing_less(failure):
    assert reduced(video(8, 300, 240), failure, []) is None


def test_what_an_engine_refuses_for_another_reason_is_shown_with_less_but_twice():
    assert len(climbed(video(64, 300, 240), FailureCode.ENGINE_REFUSED)) == 2


@given(
    st.integers(1, 40), st.integers(1, 400), st.integers(1, 400), st.sampled_from(FailureCode)
)
def test_the_ladder_ends_and_never_shows_nothing(count, width, height, failure):
    rungs = climbed(video(count, width, height), failure)
    assert len(rungs) <= MOST_REDUCTIONS.get(failure, 0)
    for _, shown in rungs:
        assert shown.shapes
        assert min(shown.shapes[0]) >= min(LEAST_SIDE, width, height)


def test_a_cut_answer_gets_more_tokens_and_then_another_seed():
    asked = Sampling(max_tokens=100, seed=7)
    name, longer = other_sampling(asked, FailureCode.ANSWER_CUT, []) or pytest.fail("no rung")
    assert (name, longer.max_tokens, longer.seed) == (MORE_TOKENS, 200, 7)
    name, other = other_sampling(longer, FailureCode.ANSWER_CUT, [name]) or pytest.fail("none")
    assert (name, other.max_tokens, other.seed) == (OTHER_SEED, 200, 8)
    assert other.temperature > 0
    assert other_sampling(other, FailureCode.ANSWER_CUT, [MORE_TOKENS, OTHER_SEED]) is None


def test_an_unreadable_answer_gets_another_seed_and_no_more():
    asked = Sampling(max_tokens=100, seed=7)
    rung = other_sampling(asked, FailureCode.UNPARSABLE, [])
    assert rung is not None
    assert rung[0] == OTHER_SEED
    assert other_sampling(asked, FailureCode.UNPARSABLE, [OTHER_SEED]) is None
    assert other_sampling(asked, FailureCode.BLIND, []) is None


def test_one_picture_too_small_to_halve_has_no_rung():
    assert reduced(picture(90, 300), TOO_LONG, []) is None
