"""Tone mapping, apart from any video."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from operators.video import tone

signals = st.floats(0, 1, allow_nan=False)


def grey(signal: float, transfer: int) -> int:
    pixel = np.full((1, 1, 3), round(signal * 65535), np.uint16)
    red, green, blue = tone.to_sdr(pixel, transfer, tone.BT2020)[0, 0].tolist()
    assert max(red, green, blue) - min(red, green, blue) <= 1
    return green


def test_pq_is_that_of_its_standard() -> None:
    """Table 4 of ITU-R BT.2100 and the levels that BT.2408 gives."""
    assert tone.pq_light(1.0) == pytest.approx(10_000)
    assert tone.pq_light(0.0) == 0.0
    assert tone.pq_signal(100.0) == pytest.approx(0.508, abs=5e-4)
    assert tone.pq_signal(203.0) == pytest.approx(0.581, abs=5e-4)
    assert tone.pq_signal(1000.0) == pytest.approx(0.752, abs=5e-4)


def test_hlg_is_that_of_its_standard() -> None:
    assert tone.hlg_scene_light(np.array([0.0, 0.5, 1.0])) == pytest.approx([0, 1 / 12, 1])


@given(signals)
def test_pq_goes_there_and_back(signal: float) -> None:
    assert tone.pq_signal(tone.pq_light(signal)) == pytest.approx(signal, abs=1e-6)


@given(signals, signals, st.sampled_from([tone.PQ, tone.HLG]))
def test_brighter_stays_brighter_and_greys_stay_grey(
    first: float, second: float, transfer: int
) -> None:
    low, high = sorted((first, second))
    assert grey(low, transfer) <= grey(high, transfer)


@pytest.mark.parametrize("transfer", [tone.PQ, tone.HLG])
def test_the_ends_are_black_and_white(transfer: int) -> None:
    assert grey(0.0, transfer) == 0
    assert grey(1.0, transfer) == 255


def test_what_is_darker_than_the_knee_keeps_its_light() -> None:
    for light in (1.0, 10.0, 50.0, 90.0):
        expected = 255 * (light / tone.SDR_WHITE) ** (1 / 2.4)
        assert grey(float(tone.pq_signal(light)), tone.PQ) == pytest.approx(expected, abs=1)


def test_both_ways_to_code_the_same_light_look_the_same() -> None:
    """75 % HLG is 203 cd/m2 on a display of 1,000 cd/m2 (ITU-R BT.2408)."""
    assert grey(0.75, tone.HLG) == pytest.approx(grey(0.5807, tone.PQ), abs=1)


def test_sdr_of_bt709_is_left_as_it_is() -> None:
    ramp = np.arange(256, dtype=np.uint16).repeat(3).reshape(1, 256, 3)
    mapped = tone.to_sdr(ramp * 257, 1, tone.BT709)
    assert np.array_equal(mapped, ramp.astype(np.uint8))
    assert not tone.needs_mapping(1, tone.BT709)


def test_the_red_of_display_p3_is_more_than_bt709_has() -> None:
    red = np.array([[[65535, 0, 0]]], np.uint16)
    assert tone.to_sdr(red, 1, tone.DISPLAY_P3)[0, 0].tolist() == [255, 0, 0]
    white = np.full((1, 1, 3), 65535, np.uint16)
    assert tone.to_sdr(white, 1, tone.DISPLAY_P3)[0, 0].tolist() == [255, 255, 255]
