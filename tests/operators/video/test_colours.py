"""Colours of all codings come out as what they were, or as near as SDR can show them."""

from __future__ import annotations

import io
from collections.abc import Sequence

import av
import numpy as np
import pytest

from operators.video.decode import decode_video
from schemas.failure import FailureCode, ItemFailure
from schemas.job import VideoSampling
from tests.media import clips, patches
from tests.media.patches import COLOURS, GREYS, X265_LOSSLESS, Coding
from tests.operators.video.test_decode import decode, failure_of, numbers

ALL = GREYS + COLOURS
WHITES = [(255, 255, 255), (230, 230, 230), (205, 205, 205)]
DEEP = {"pix_fmt": "yuv420p10le", "codec": "libx265", "options": X265_LOSSLESS}
PQ = Coding(matrix=9, transfer=16, primaries=9, **DEEP)
HLG = Coding(matrix=9, transfer=18, primaries=9, **DEEP)


def shown(signals: Sequence, coding: Coding, max_frame_pixels: int = 10**6) -> np.ndarray:
    """The colour in the middle of each patch as it is decoded, (n, 3)."""
    frames = decode_video(
        patches.video_of(signals, coding),
        sampling=VideoSampling(max_frames=1),
        max_frame_pixels=max_frame_pixels,
    )
    [(height, width)] = frames.shapes
    picture = np.frombuffer(frames.pixels, np.uint8).reshape(height, width, 3)
    middles = [width * (2 * n + 1) // (2 * len(signals)) for n in range(len(signals))]
    return picture[height // 2, middles].astype(int)


def furthest(found: np.ndarray, expected: Sequence) -> int:
    return int(np.abs(found - np.array(expected)).max())


@pytest.mark.parametrize("matrix", [1, 5, 6, 9])
@pytest.mark.parametrize("full", [False, True])
@pytest.mark.parametrize("pix_fmt", ["yuv420p", "yuv444p", "yuv420p10le", "yuv422p10le"])
def test_tagged_colours_are_right(matrix: int, full: bool, pix_fmt: str) -> None:
    coding = Coding(matrix=matrix, full=full, pix_fmt=pix_fmt)
    assert furthest(shown([*ALL, *WHITES], coding), [*ALL, *WHITES]) <= 3
    assert furthest(shown(ALL, coding, max_frame_pixels=5000), ALL) <= 3


@pytest.mark.parametrize(
    ("patches_across", "height", "matrix"),
    [(10, 576, 6), (39, 64, 6), (10, 578, 1), (40, 64, 1)],
)
def test_untagged_colours_go_by_the_pictures_size(
    patches_across: int, height: int, matrix: int
) -> None:
    signals = (ALL * 4)[:patches_across]
    coding = Coding(matrix=matrix, tagged=False, height=height)
    assert furthest(shown(signals, coding), signals) <= 3
    other = Coding(matrix=7 - matrix, tagged=False, height=height)
    assert furthest(shown(signals, other), signals) > 10


def test_the_other_matrix_would_be_seen() -> None:
    """What the tests above would find if tags were passed over."""
    mistaken = Coding(matrix=1, tagged=False)
    assert furthest(shown(ALL, mistaken), ALL) > 10


@pytest.mark.parametrize(("coding", "as_signal"), [(PQ, patches.as_pq), (HLG, patches.as_hlg)])
def test_hdr_shows_what_sdr_would_have_shown(coding: Coding, as_signal) -> None:
    assert furthest(shown(as_signal(ALL), coding), ALL) <= 4
    assert furthest(shown(as_signal(ALL), coding, max_frame_pixels=5000), ALL) <= 4


@pytest.mark.parametrize(("coding", "as_signal"), [(PQ, patches.as_pq), (HLG, patches.as_hlg)])
def test_hdr_highlights_are_compressed_and_stay_in_order(coding: Coding, as_signal) -> None:
    bright, less, least = shown(as_signal(WHITES), coding)
    assert bright == pytest.approx([231] * 3, abs=3)
    assert less == pytest.approx([218] * 3, abs=3)
    assert least == pytest.approx([202] * 3, abs=3)
    most = shown([(255, 255, 255)], coding)
    assert most == pytest.approx(np.full((1, 3), 255), abs=1)


@pytest.mark.parametrize(
    ("coding", "as_signal", "off"), [(PQ, patches.as_pq, 60), (HLG, patches.as_hlg, 15)]
)
def test_hdr_taken_for_sdr_would_be_seen(coding: Coding, as_signal, off: int) -> None:
    """What the tests above would find without tone mapping: a grey and dull picture."""
    signals = as_signal([*COLOURS, *WHITES])
    untold = Coding(matrix=9, transfer=14, primaries=1, **DEEP)
    assert furthest(shown(signals, untold), [*COLOURS, *WHITES]) > off
    saturation = np.ptp(shown(signals, untold)[:5], axis=1)
    assert (saturation < np.ptp(shown(signals, coding)[:5], axis=1)).all()


def test_hdr_that_names_no_matrix_is_bt2020() -> None:
    unnamed = Coding(matrix=9, says=2, transfer=16, primaries=9, **DEEP)
    assert furthest(shown(patches.as_pq(ALL), unnamed), ALL) <= 4


@pytest.mark.parametrize("says", [2, 3])
def test_a_matrix_that_is_not_named_goes_by_size_and_the_range_by_its_tag(says: int) -> None:
    coding = Coding(matrix=6, full=True, says=says)
    assert furthest(shown(ALL, coding), ALL) <= 3


def test_wide_colours_in_sdr_are_brought_back() -> None:
    wide = Coding(matrix=9, transfer=14, primaries=9, **DEEP)
    assert furthest(shown(patches.as_wide(ALL), wide), ALL) <= 3
    untold = Coding(matrix=9, transfer=14, primaries=1, **DEEP)
    assert furthest(shown(patches.as_wide(ALL), untold), ALL) > 20


@pytest.mark.parametrize("full", [False, True])
def test_monochrome_video_is_stretched_by_its_range(full: bool) -> None:
    coding = Coding(full=full, pix_fmt="gray", codec="libx265", options=X265_LOSSLESS)
    greys = [*GREYS, *WHITES]
    assert furthest(shown(greys, coding), greys) <= 2


def test_transparency_is_laid_on_white() -> None:
    coding = Coding(
        pix_fmt="yuva444p10le",
        codec="prores_ks",
        options={"profile": "4444", "qscale": "2"},
        container="mov",
    )
    signals = [(200, 50, 50, opacity) for opacity in (0, 64, 128, 255)]
    expected = [
        [255 + (value - 255) * signal[3] / 255 for value in signal[:3]] for signal in signals
    ]
    assert furthest(shown(signals, coding), expected) <= 4


@pytest.mark.parametrize("codec", ["libvpx", "libvpx-vp9"])
def test_webm_is_decoded_without_its_transparency(codec: str) -> None:
    """Its opacity is a stream of its own, which FFmpeg's decoders pass over."""
    options = {"deadline": "realtime", "cpu-used": "8", "crf": "4", "auto-alt-ref": "0"}
    coding = Coding(
        matrix=6, pix_fmt="yuva420p", codec=codec, options=options, container="webm"
    )
    opaque = shown([(200, 50, 50, 255)] * 3, coding)
    assert furthest(opaque, [(200, 50, 50)] * 3) <= 8
    assert furthest(shown([(200, 50, 50, 0)] * 3, coding), opaque) <= 2


def test_colours_that_nothing_converts_are_a_typed_failure() -> None:
    coding = Coding(options={"qp": "0", "x264-params": "colormatrix=YCgCo"}, tagged=False)
    with pytest.raises(ItemFailure) as caught:
        shown(ALL, coding)
    assert caught.value.code is FailureCode.FORMAT_NOT_ALLOWED
    assert "matrix coefficients 8 of H.273" in caught.value.message


def with_dolby_vision(tags: str) -> bytes:
    """A transport stream of HEVC with Dolby Vision's metadata behind each picture."""
    params = f"bframes=0:repeat-headers=1:log-level=error:pools=1:{tags}"
    options = {"x265-params": params, "preset": "ultrafast"}
    plain = clips.make(clips.Clip("mpegts", "libx265", options, frames=10))
    file = io.BytesIO()
    with (
        av.open(io.BytesIO(plain), format="mpegts") as source,
        av.open(file, "w", format="mpegts") as output,
    ):
        stream = output.add_stream_from_template(source.streams.video[0])
        for read in source.demux(video=0):
            if read.size:
                packet = av.Packet(bytes(read) + b"\0\0\0\1\x7c\1" + b"\x19" * 40)
                packet.pts, packet.dts, packet.time_base = read.pts, read.dts, read.time_base
                packet.is_keyframe, packet.stream = read.is_keyframe, stream
                output.mux(packet)
    return file.getvalue()


def test_colours_that_only_dolby_vision_knows_are_a_typed_failure() -> None:
    """Its profile 5: full range, and no tag says what the numbers are."""
    failure = failure_of(with_dolby_vision("range=full"))
    assert failure.code is FailureCode.FORMAT_NOT_ALLOWED
    assert "profile 5" in failure.message


@pytest.mark.parametrize("tags", ["range=limited", "range=full:transfer=smpte2084"])
def test_dolby_vision_that_others_can_show_is_shown_as_they_do(tags: str) -> None:
    assert numbers(decode(with_dolby_vision(tags), max_frames=5)) == [1, 3, 5, 7, 9]
