from __future__ import annotations

import io
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from operators.reading import arrays, read_media
from operators.storage import open_store
from schemas.failure import FailureCode, UsageError
from schemas.inputs import InputSpec
from schemas.job import MediaSpec, StorageSpec, VideoSampling
from schemas.media import MediaKind
from tests.media.clips import CLIPS, make, read_number


def png(colour: tuple[int, int, int]) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (30, 20), colour).save(file, "PNG")
    return file.getvalue()


def test_a_folders_media_come_as_pixels_or_with_why_not(tmp_path) -> None:
    (tmp_path / "a.png").write_bytes(png((10, 20, 30)))
    (tmp_path / "b.jpg").write_bytes(b"no picture")
    (tmp_path / "c.mp4").write_bytes(make(CLIPS["h264"]))
    three = VideoSampling(policy="times", times_s=(0.4, 1.2, 2.0))
    read = list(read_media(str(tmp_path), media=MediaSpec(video=three)))
    assert [one.item.kind for one in read] == [
        *(MediaKind.IMAGE, MediaKind.IMAGE),
        MediaKind.VIDEO,
    ]
    picture, broken, video = read
    assert picture.frames
    assert video.frames
    assert broken.failure
    [pixels] = arrays(picture.frames)
    assert pixels.shape == (20, 30, 3)
    assert (pixels == (10, 20, 30)).all()
    assert np.shares_memory(pixels, np.frombuffer(picture.frames.pixels, np.uint8))
    assert broken.failure.code is FailureCode.NOT_MEDIA
    assert [read_number(one) for one in arrays(video.frames)] == [10, 30, 50]


def test_a_buckets_media_and_patterns(s3_server, s3_bucket) -> None:
    storage = StorageSpec(endpoint_url=s3_server.endpoint_url, path_style=True)
    store = open_store("s3://", storage)
    for name in ("x/1.png", "x/2.png", "y/3.png"):
        store.put(f"s3://{s3_bucket}/{name}", png((1, 2, 3)))
    spec = InputSpec.model_validate({"uris": f"s3://{s3_bucket}/", "exclude": ["y/**"]})
    read = list(read_media(spec, storage=storage, max_image_pixels=150))
    assert [one.item.item_id[-7:] for one in read] == ["x/1.png", "x/2.png"]
    assert all(one.frames and one.frames.shapes == ((10, 15),) for one in read)


def test_one_item_is_decoded_at_a_time(tmp_path) -> None:
    for number in range(30):
        (tmp_path / f"{number:02}.png").write_bytes(png((number, 0, 0)))
    reading = read_media(str(tmp_path), fetch_threads=2)
    first = next(reading)
    for late in range(10, 30):
        (tmp_path / f"{late:02}.png").unlink()
    assert first.frames
    assert sum(one.frames is not None for one in reading) < 20


def test_what_cannot_be_listed_is_said_at_once(tmp_path) -> None:
    with pytest.raises(UsageError):
        next(read_media(str(tmp_path / "nothing")))


def test_neither_ray_nor_a_model_is_loaded() -> None:
    code = (
        "import sys, operators.reading; "
        "sys.exit(bool({'ray', 'torch', 'vllm', 'transformers'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
