"""Pictures of which the decoder is given the header alone: the wanted ones stay the same."""

from __future__ import annotations

import io
import random
from fractions import Fraction
from types import SimpleNamespace

import av
import numpy as np
import pytest

from operators.video import scanning, seeking
from operators.video.bits import NotUnderstoodError
from operators.video.decode import decode_video
from operators.video.decoder import Decoder
from operators.video.h264_lookahead import Lookahead
from operators.video.references import length_bytes
from schemas.job import VideoSampling
from tests.media.x264 import FPS, Making, chosen, make

PYRAMID = {"ref": 1, "bframes": 3, "b-pyramid": "normal", "b-adapt": 0, "scenecut": 0}
EVERY = VideoSampling(policy="fps", fps=FPS, max_frames=1024)


def shown(data: bytes, sampling: VideoSampling) -> dict[int, bytes]:
    """Frames by number."""
    frames = decode_video(data, sampling=sampling, max_frame_pixels=10**6)
    pictures = np.frombuffer(frames.pixels, np.uint8).reshape(len(frames.shapes), -1)
    return {round(t * FPS): p.tobytes() for t, p in zip(frames.pts_s, pictures, strict=True)}


@pytest.fixture
def counted(monkeypatch) -> list[int]:
    """How many stand-ins were fed in each turn."""
    counts: list[int] = []
    real = Decoder.stand_ins

    def stand_ins(self, packets, wanted, *, is_end):
        found = real(self, packets, wanted, is_end=is_end)
        counts.append(sum(one is not None for one in found))
        return found

    monkeypatch.setattr(Decoder, "stand_ins", stand_ins)
    return counts


@pytest.mark.parametrize("seed", range(40))
def test_whatever_the_encoder_did_frames_are_those_of_decoding_everything(seed, monkeypatch):
    chance = random.Random(seed)
    data = make(chosen(seed))
    # Of every frame that is wanted all is decoded.
    everything = shown(data, EVERY)
    assert len(everything) > 100
    for most in (1, 2, 3, 4, 5, 7, 9, 13):
        if chance.random() < 0.25:
            held = chance.choice([1, 3000, 20000])
            for module in (seeking, scanning):
                monkeypatch.setattr(module, "MOST_HELD_BYTES", held)
        found = shown(data, VideoSampling(max_frames=most))
        assert len(found) == most
        assert all(found[number] == everything[number] for number in found)


@pytest.mark.parametrize("container", ["mp4", "matroska", "mpegts"])
@pytest.mark.parametrize("pyramid", ["strict", "normal"])
@pytest.mark.parametrize("bframes", [3, 8])
def test_pictures_that_nothing_needed_refers_to_are_not_decoded(
    container, pyramid, bframes, counted
):
    params = {"repeat-headers": 1, "keyint": 250, "bframes": bframes, "b-pyramid": pyramid}
    data = make(Making(container, params=PYRAMID | params))
    found = shown(data, VideoSampling(max_frames=1))
    assert sum(counted) >= 50 // (bframes + 1) - 2
    everything = shown(data, EVERY)
    assert found == {number: everything[number] for number in found}


@pytest.mark.parametrize("container", ["mp4", "mpegts"])
def test_few_packets_held_at_once_are_as_good(container, counted, monkeypatch):
    for module in (seeking, scanning):
        monkeypatch.setattr(module, "MOST_HELD_BYTES", 6000)
    params = PYRAMID | {"keyint": 250, "repeat-headers": 1}
    data = make(Making(container, params=params, frames=200))
    found = shown(data, VideoSampling(max_frames=2))
    assert len(counted) > 3
    assert sum(counted) > 20
    everything = shown(data, EVERY)
    assert found == {number: everything[number] for number in found}


@pytest.mark.parametrize("container", ["mp4", "mpegts"])
def test_a_decoder_that_takes_no_notice_is_found_out(container, counted, monkeypatch):
    """As if its slices were not understood: nothing is marked, and nothing comes out."""
    real = Lookahead._stand_in

    def unheard(self, packet, length):
        data = bytearray(real(self, packet, length))
        # The slice's own header becomes that of a delimiter.
        return (
            bytes(data)
            .replace(b"\x41\0\0\xff\xff", b"\x09\0\0\xff\xff")
            .replace(b"\x01\0\0\xff\xff", b"\x09\0\0\xff\xff")
        )

    data = make(Making(container, params=PYRAMID | {"keyint": 50, "repeat-headers": 1}))
    everything = shown(data, EVERY)
    monkeypatch.setattr(Lookahead, "_stand_in", unheard)
    counted.clear()
    found = shown(data, VideoSampling(max_frames=4))
    assert sum(1 for count in counted if count) == 1
    assert found == {number: everything[number] for number in found}
    assert len(found) == 4


@pytest.mark.parametrize("most", [2, 3, 8])
def test_where_streams_with_other_parameters_were_joined_all_is_decoded(most, counted):
    params = PYRAMID | {"repeat-headers": 1, "keyint": 40}
    first = make(Making("mpegts", params=params))
    other = make(Making("mpegts", params=params | {"weightp": 0, "ref": 4, "cabac": 0}))
    everything = shown(first + other, EVERY)
    assert len(everything) > 200
    counted.clear()
    found = shown(first + other, VideoSampling(max_frames=most))
    assert found == {number: everything[number] for number in found}
    assert any(counted)
    assert not counted[-1]


def group(data: bytes) -> tuple[Lookahead, list]:
    """The first packets of a file, which the decoder has not seen."""
    with av.open(io.BytesIO(data)) as container:
        stream = container.streams.video[0]
        headers = stream.codec_context.extradata
        packets = [packet for packet in container.demux(stream) if packet.size]
    return Lookahead(headers, length_bytes("h264", headers)), packets[:60]


def copied(packet, **changes) -> av.Packet:
    copy = av.Packet(changes.get("data", bytes(packet)))
    copy.pts, copy.dts = changes.get("pts", packet.pts), packet.dts
    copy.time_base = Fraction(1, FPS)
    return copy


def last_wanted(packets) -> list[bool]:
    return [packet is packets[-1] for packet in packets]


@pytest.fixture(scope="module")
def pyramid() -> bytes:
    return make(Making(params=PYRAMID | {"keyint": 250}))


def test_of_a_pyramid_only_its_backbone_is_needed(pyramid):
    lookahead, packets = group(pyramid)
    found = lookahead.stand_ins(packets, last_wanted(packets), is_end=True)
    stood_in = [number for number, one in enumerate(found) if one is not None]
    assert len(stood_in) >= 12
    assert max(map(len, filter(None, found))) < 100
    # Two groups after another are the same.
    lookahead.begin()
    assert lookahead.stand_ins(packets, last_wanted(packets), is_end=True) == found


def test_what_others_may_refer_to_later_is_needed(pyramid):
    lookahead, packets = group(pyramid)
    wanted = [False] * len(packets)
    found = lookahead.stand_ins(packets, wanted, is_end=False)
    lookahead.begin()
    ended = lookahead.stand_ins(packets, wanted, is_end=True)
    assert sum(one is not None for one in found) < sum(one is not None for one in ended)


@pytest.mark.parametrize("place", [0, 1, 20])
def test_packets_that_are_cut_off_are_not_understood(pyramid, place):
    lookahead, packets = group(pyramid)
    packets[place] = copied(packets[place], data=bytes(packets[place])[:-1])
    with pytest.raises(NotUnderstoodError, match="fill"):
        lookahead.stand_ins(packets, last_wanted(packets), is_end=True)


def test_a_picture_that_is_missing_is_not_passed_over(pyramid):
    lookahead, packets = group(pyramid)
    del packets[next(n for n in range(20, 60) if bytes(packets[n])[4] & 0x60)]
    with pytest.raises(NotUnderstoodError, match="frame_num"):
        lookahead.stand_ins(packets, [True] * len(packets), is_end=True)


def test_another_order_in_the_container_is_not_understood(pyramid):
    lookahead, packets = group(pyramid)
    packets = [copied(packet) for packet in packets]
    packets[1].pts, packets[2].pts = packets[2].pts, packets[1].pts
    with pytest.raises(NotUnderstoodError, match="another order"):
        lookahead.stand_ins(packets, [True] * len(packets), is_end=True)


def test_a_group_that_begins_in_the_middle_is_not_understood(pyramid):
    lookahead, packets = group(pyramid)
    with pytest.raises(NotUnderstoodError, match="before an IDR"):
        lookahead.stand_ins(packets[1:], last_wanted(packets[1:]), is_end=True)


def test_parameters_that_change_are_not_understood(pyramid):
    lookahead, packets = group(pyramid)
    unit = b"\x68\xee\x3c\x80"
    data = len(unit).to_bytes(4, "big") + unit + bytes(packets[5])
    packets[5] = copied(packets[5], data=data)
    with pytest.raises(NotUnderstoodError, match="parameters change"):
        lookahead.stand_ins(packets, [True] * len(packets), is_end=True)


def test_what_the_decoder_learns_meanwhile_is_noticed(pyramid):
    lookahead, packets = group(pyramid)
    assert all(map(lookahead.knows_parameters, packets))
    unit = b"\x68\xee\x3c\x80"
    data = len(unit).to_bytes(4, "big") + unit + bytes(packets[5])
    assert not lookahead.knows_parameters(copied(packets[5], data=data))
    assert not lookahead.knows_parameters(copied(packets[5], data=data[:-1]))
    odd = SimpleNamespace(has_sidedata=lambda kind: kind == "new_extradata")
    assert not lookahead.knows_parameters(odd)


@pytest.mark.parametrize("is_corrupt", [False, True])
def test_packets_with_other_headers_or_damage_are_not_understood(pyramid, is_corrupt):
    lookahead, packets = group(pyramid)
    odd = SimpleNamespace(
        is_corrupt=is_corrupt, has_sidedata=lambda kind: kind == "new_extradata"
    )
    with pytest.raises(NotUnderstoodError, match="damaged packet, or other"):
        lookahead.stand_ins([packets[0], odd], [True, True], is_end=True)


@pytest.mark.parametrize("kind", [2, 14, 20, 21, 30])
def test_units_of_other_kinds_are_not_understood(pyramid, kind):
    lookahead, packets = group(pyramid)
    unit = bytes([0x60 | kind, 0x80])
    data = len(unit).to_bytes(4, "big") + unit + bytes(packets[5])
    packets[5] = copied(packets[5], data=data)
    with pytest.raises(NotUnderstoodError, match=f"type {kind}"):
        lookahead.stand_ins(packets, [True] * len(packets), is_end=True)


@pytest.mark.parametrize(
    "params", [{"interlaced": 1}, {"bframes": 0}], ids=["fields", "no order in slices"]
)
def test_streams_that_are_decoded_as_before(params):
    with pytest.raises(NotUnderstoodError):
        group(make(Making(params=PYRAMID | params)))


@pytest.mark.parametrize("headers", [None, b"", b"\1", b"\1\x64\0\x1f\xff\xe1\0\x20abc"])
def test_headers_that_tell_nothing(headers):
    lengths = length_bytes("h264", headers)
    if lengths:
        with pytest.raises(NotUnderstoodError):
            Lookahead(headers, lengths)
        return
    with pytest.raises(NotUnderstoodError):
        Lookahead(headers, 0).stand_ins([copied(av.Packet(b"\0"))], [True], is_end=True)
