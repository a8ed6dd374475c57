from __future__ import annotations

import numpy as np
import pytest

from operators.base import Request, Sampling
from operators.engine_media import as_images, as_video, prompt_with_media
from schemas.failure import FailureCode, ItemFailure
from schemas.media import Frames, MediaKind
from tests.fixtures.engines import picture, pictures, video


def request(frames: Frames, key: str = "k") -> Request:
    return Request("r", "p", frames, Sampling(max_tokens=1), key)


def test_each_image_has_its_own_pixels() -> None:
    frames = pictures((5, 3), (2, 7))
    images = as_images(frames)
    assert [image.size for image in images] == [(5, 3), (2, 7)]
    assert b"".join(image.tobytes() for image in images) == bytes(frames.pixels)


@pytest.mark.parametrize("buffer", [bytes, bytearray, memoryview])
def test_any_buffer_will_do(buffer: type) -> None:
    frames = Frames(MediaKind.IMAGE, buffer(bytes(range(12))), ((2, 2),))
    assert as_images(frames)[0].getpixel((1, 1)) == (9, 10, 11)


def test_a_video_shares_the_buffer() -> None:
    frames = video(4, width=6, height=2)
    array = as_video(frames)
    assert array.shape == (4, 2, 6, 3)
    assert np.shares_memory(array, np.frombuffer(frames.pixels, dtype=np.uint8))


def test_frames_of_different_sizes_are_no_video() -> None:
    frames = Frames(MediaKind.VIDEO, bytes(9), ((1, 1), (1, 2)), (0.0, 1.0))
    with pytest.raises(ItemFailure, match="1x1, 2x1") as caught:
        as_video(frames)
    assert caught.value.code is FailureCode.ENGINE_REFUSED


def test_every_medium_has_an_id_of_its_own() -> None:
    one = prompt_with_media(request(pictures((1, 1), (1, 1)), key="a"))
    assert one["multi_modal_uuids"] == {"image": ["a:0", "a:1"]}
    assert prompt_with_media(request(video(2, 1, 1)))["multi_modal_uuids"] == {
        "video": ["k:video"]
    }
    assert "multi_modal_uuids" not in prompt_with_media(request(picture(1, 1), key=""))
