"""Headers of H.264: numbers, units, parameter sets, slices; and bytes that are none."""

from __future__ import annotations

import io

import av
import pytest
from hypothesis import given
from hypothesis import strategies as st

from operators.video.bits import Bits, NotUnderstoodError
from operators.video.h264_parameters import read_picture_set, read_sequence_set
from operators.video.h264_slices import B, I, P, read_slice
from operators.video.units import join, split
from tests.media.x264 import Making, make


def exp_golomb(number: int) -> str:
    digits = f"{number + 1:b}"
    return "0" * (len(digits) - 1) + digits


def of_digits(digits: str) -> Bits:
    padded = digits + "1" + "0" * (-(len(digits) + 1) % 8)
    data = int(padded, 2).to_bytes(len(padded) // 8, "big")
    escaped = bytearray()
    for byte in data:
        if escaped[-2:] == b"\0\0" and byte <= 3:
            escaped.append(3)
        escaped.append(byte)
    return Bits(bytes(escaped))


@given(st.lists(st.integers(0, 2**31 - 1)))
def test_numbers_are_read_as_they_were_written(numbers) -> None:
    bits = of_digits("".join(map(exp_golomb, numbers)))
    assert [bits.unsigned() for _ in numbers] == numbers
    assert bits.place == sum(len(exp_golomb(number)) for number in numbers)


@given(st.lists(st.integers(-(2**30), 2**30)))
def test_signed_numbers_are_read_as_they_were_written(numbers) -> None:
    codes = [2 * n - 1 if n > 0 else -2 * n for n in numbers]
    bits = of_digits("".join(map(exp_golomb, codes)))
    assert [bits.signed() for _ in numbers] == numbers


@given(st.lists(st.tuples(st.integers(1, 32), st.integers(0, 2**32 - 1))))
def test_bits_are_read_as_they_were_written(fields) -> None:
    bits = of_digits("".join(f"{value % 2**count:0{count}b}" for count, value in fields))
    for count, value in fields:
        assert bits.read(count) == value % 2**count


def test_what_is_cut_off_or_too_long_is_not_understood() -> None:
    with pytest.raises(NotUnderstoodError, match="early"):
        Bits(b"\xff").read(9)
    with pytest.raises(NotUnderstoodError, match="early"):
        Bits(b"\x01").unsigned()
    with pytest.raises(NotUnderstoodError, match="early"):
        Bits(b"").unsigned()
    with pytest.raises(NotUnderstoodError, match="too long"):
        Bits(b"\0\0\0\0\xff\xff\xff\xff\xff").unsigned()
    with pytest.raises(NotUnderstoodError, match="width is 7, more than 6"):
        of_digits(exp_golomb(7)).at_most(6, "width")


@given(st.lists(st.binary(min_size=1, max_size=300), min_size=1), st.sampled_from([1, 2, 4]))
def test_units_with_lengths(units, lengths) -> None:
    if lengths == 1 and any(len(unit) > 255 for unit in units):
        with pytest.raises(NotUnderstoodError):
            join(units, 1)
    else:
        assert [bytes(unit) for unit in split(join(units, lengths), lengths)] == units


@given(st.lists(st.lists(st.integers(4, 255), min_size=1).map(bytes), min_size=1))
def test_units_with_start_codes(units) -> None:
    assert [bytes(unit) for unit in split(join(units, 0), 0)] == units
    short = b"".join(b"\0\0\1" + unit for unit in units)
    assert [bytes(unit) for unit in split(short + b"\0\0", 0)] == units


@given(st.binary(max_size=60), st.sampled_from([0, 1, 2, 3, 4]))
def test_any_bytes_are_units_or_not_understood(data, lengths) -> None:
    try:
        units = split(data, lengths)
    except NotUnderstoodError:
        return
    assert all(len(unit) for unit in units)
    assert sum(map(len, units)) <= len(data)


PARAMS = {
    "ref": 3,
    "bframes": 3,
    "b-pyramid": "normal",
    "weightp": 2,
    "b-adapt": 0,
    "scenecut": 0,
}


@pytest.fixture(scope="module")
def units() -> list[bytes]:
    """Of a stream: its parameter sets and its pictures."""
    making = Making("mpegts", params=PARAMS | {"repeat-headers": 1, "keyint": 250}, frames=60)
    with av.open(io.BytesIO(make(making))) as container:
        packets = [bytes(packet) for packet in container.demux(video=0) if packet.size]
    return [bytes(unit) for packet in packets for unit in split(packet, 0)]


def of_kind(units: list[bytes], *kinds: int) -> list[bytes]:
    return [unit for unit in units if unit[0] & 31 in kinds]


@pytest.fixture(scope="module")
def sets(units) -> tuple[dict, dict]:
    sequences = dict(map(read_sequence_set, of_kind(units, 7)))
    pictures = dict(map(read_picture_set, of_kind(units, 8)))
    return sequences, pictures


def test_parameter_sets_say_what_the_encoder_was_told(sets) -> None:
    (sequence,), (picture,) = sets[0].values(), sets[1].values()
    assert sequence.macroblocks == 7 * 5
    assert (sequence.depth, sequence.has_chroma, sequence.has_planes) == (8, True, False)
    assert sequence.most_references == 4
    assert picture.has_cabac
    assert picture.is_weighted
    assert not picture.are_b_weighted


def test_slices_say_what_they_are(units, sets) -> None:
    slices = [read_slice(memoryview(unit), *sets) for unit in of_kind(units, 1, 5)]
    assert len(slices) == 60
    assert slices[0].kind == I
    assert slices[0].picture.is_idr
    assert not any(one.picture.is_idr for one in slices[1:])
    assert {one.kind for one in slices} == {P, B, I}
    assert sum(one.picture.is_reference for one in slices) == 31
    assert all(len(one.active) == {I: 0, P: 1, B: 2}[one.kind] for one in slices)


@given(data=st.data())
def test_damaged_headers_are_read_or_not_understood(units, sets, data) -> None:
    unit = bytearray(data.draw(st.sampled_from(units)))
    for place in data.draw(st.lists(st.integers(0, min(40, len(unit)) * 8 - 1), max_size=8)):
        unit[place // 8] ^= 1 << place % 8
    hurt = bytes(unit[: data.draw(st.integers(1, len(unit)))])
    assert_read_or_not_understood(hurt, sets)


@given(data=st.binary(min_size=1, max_size=100))
def test_any_bytes_are_headers_or_not_understood(sets, data) -> None:
    assert_read_or_not_understood(data, sets)


def assert_read_or_not_understood(unit: bytes, sets: tuple[dict, dict]) -> None:
    for read in (
        read_sequence_set,
        read_picture_set,
        lambda unit: read_slice(memoryview(unit), *sets),
    ):
        try:
            read(unit)
        except NotUnderstoodError as reason:
            assert str(reason)
