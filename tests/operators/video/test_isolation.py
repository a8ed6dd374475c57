"""Containers that lead out of their file."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from operators.video.decode import decode_video
from operators.video.formats import Allowed
from operators.video.isolation import as_it_comes
from schemas.job import VideoSampling
from tests.media import clips

BEYOND = 1 << 62
"""Farther than a file system reaches."""


def test_an_asf_that_leads_far_beyond_its_end_is_decoded(tmp_path: Path, capfd) -> None:
    data = bytearray(clips.make(clips.Clip("asf", "wmv2", {"b": "1000000"}, frames=10)))
    first_object = 30
    data[first_object + 16 : first_object + 24] = BEYOND.to_bytes(8, "little")
    path = tmp_path / "a.asf"
    path.write_bytes(data)
    with path.open("rb") as file:
        frames = decode_video(
            file,
            sampling=VideoSampling(),
            max_frame_pixels=10**6,
            allowed=Allowed(("asf",), ("wmv2",)),
        )
    assert len(frames.shapes) == 10
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("place", [-1, -(1 << 63), BEYOND, 1 << 64])
def test_where_no_file_reaches_there_is_no_way(tmp_path: Path, place: int) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"0123456789")
    with path.open("rb") as file:
        seen = as_it_comes(file)
        assert seen.seek(4) == 4
        assert seen.seek(place) < 0
        assert seen.read(2) == b"45"


@pytest.mark.parametrize("step", [1, 3, 5, 100])
def test_a_box_that_is_not_to_be_seen_is_skipped(step: int) -> None:
    seen = as_it_comes(io.BytesIO(b"0123....sidx89..sidx"), [4])
    assert b"".join(iter(lambda: seen.read(step), b"")) == b"0123....free89..sidx"
