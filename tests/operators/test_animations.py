"""Animations as short videos."""

from pathlib import Path

import numpy as np
import pytest

from operators.decode import DecodeOperator
from operators.images import decode_animation
from operators.images.animation import MAX_FRAMES
from operators.sources.listing import list_items
from schemas.failure import FailureCode, ItemFailure
from schemas.inputs import InputSpec
from schemas.item import Item, Medium, PendingTask
from schemas.job import MediaSpec, StorageSpec
from schemas.media import Frames, MediaKind
from schemas.sampling import VideoSampling
from tests.media import hostile_pictures as hostile
from tests.media import pictures
from tests.media.pictures import encoded, quadrants

FORMS = ("GIF", "PNG", "WEBP", "AVIF")
TASKS = (PendingTask("video_summary", "f" * 32),)


def decode(data: bytes, **sampling) -> Frames:
    return decode_animation(
        data,
        sampling=VideoSampling(**sampling),
        max_frame_pixels=10**6,
        max_source_pixels=10**8,
    )


def greys(frames: Frames) -> list[int]:
    """Which frame of `pictures.film` each one is."""
    flat = np.frombuffer(frames.pixels, np.uint8).reshape(len(frames.shapes), -1)
    return [round((float(one.mean()) - 20) / 30) for one in flat]


@pytest.mark.parametrize("form", FORMS)
def test_frames_are_those_on_screen_at_the_sampled_moments(form: str) -> None:
    data = pictures.film(form, (1000, 500, 2500))
    frames = decode(data, policy="fps", fps=1.0)
    assert frames.kind is MediaKind.VIDEO
    assert frames.duration_s == pytest.approx(4.0)
    assert frames.pts_s == (0.0, 1.0, 1.5)
    assert frames.requested_s == (0.0, 1.0, 2.0)
    assert greys(frames) == [0, 1, 2]
    assert (frames.source_width, frames.source_height) == (32, 16)
    assert frames.source_format == form.lower()
    assert greys(decode(data, max_frames=2)) == [1, 2], "at 1 s and at 3 s"


@pytest.mark.parametrize("form", FORMS)
def test_what_no_frame_covers_is_white(form: str) -> None:
    frames = decode(pictures.sticker(form))
    pixels = np.frombuffer(frames.pixels, np.uint8).reshape(4, 20, 40, 3).astype(int)
    for number, frame in enumerate(pixels):
        for place in range(4):
            expected = pictures.RED if place == number else pictures.WHITE
            assert np.abs(frame[10, 10 * place + 5] - expected).max() <= 6


@pytest.mark.parametrize("form", FORMS)
def test_a_long_animation_is_thinned_evenly(form: str) -> None:
    frames = decode(pictures.film(form, (100,) * 7), policy="keyframes", max_frames=3)
    assert greys(frames) == [1, 3, 5]
    assert frames.pts_s == pytest.approx((0.1, 0.3, 0.5))


@pytest.mark.parametrize(
    ("sampling", "expected"),
    [
        ({"policy": "times", "times_s": (0.3, 0.31, 9.0)}, [3]),
        ({"policy": "dense", "from_s": 0.2, "to_s": 0.4, "max_frames": 8}, [2, 3]),
        ({"policy": "shots"}, [1, 4]),
        ({"policy": "adaptive", "max_frames": 2}, [2, 3]),
    ],
)
def test_every_policy_has_its_say(sampling: dict, expected: list[int]) -> None:
    film = pictures.film("GIF", (100,) * 6, greys=(20, 21, 22, 200, 201, 202))
    frames = decode(film, **sampling)
    assert [round(time * 10) for time in frames.pts_s] == expected


def test_an_animation_that_ends_before_the_moments_is_no_frame() -> None:
    with pytest.raises(ItemFailure) as caught:
        decode(pictures.film("GIF"), policy="times", times_s=(60.0,))
    assert caught.value.code is FailureCode.NO_FRAMES


def test_frames_of_no_time_are_shown_for_a_tenth_of_a_second() -> None:
    assert decode(pictures.film("GIF", (0, 10, 20, 500))).duration_s == pytest.approx(0.72)


def test_what_is_shown_to_readers_without_apng_is_no_frame() -> None:
    frames = decode(pictures.apng_with_default())
    pixels = np.frombuffer(frames.pixels, np.uint8).reshape(2, 16, 16, 3)
    assert [tuple(one[0, 0]) for one in pixels] == [pictures.RED, pictures.BLUE]
    assert frames.pts_s == pytest.approx((0.0, 0.5))
    assert frames.duration_s == pytest.approx(1.5)


@pytest.mark.parametrize("form", ["PNG", "WEBP", "AVIF"])
def test_a_still_image_is_no_video_but_for_a_gif(form: str) -> None:
    with pytest.raises(ItemFailure) as caught:
        decode(encoded(quadrants(), form))
    assert caught.value.code is FailureCode.NOT_MEDIA
    assert decode(encoded(quadrants(), "GIF")).pts_s == (0.0,)


@pytest.mark.parametrize(
    "make", [hostile.gif_of_frames, hostile.apng_of_frames, hostile.webp_of_frames]
)
def test_too_many_frames_are_refused(make) -> None:
    with pytest.raises(ItemFailure) as caught:
        decode(make(MAX_FRAMES + 1))
    assert caught.value.code is FailureCode.TOO_LARGE
    assert "10,000" in caught.value.message


def test_a_frame_that_outgrows_the_limit_is_refused() -> None:
    with pytest.raises(ItemFailure) as caught:
        decode(hostile.gif_claiming(60_000, 60_000))
    assert caught.value.code is FailureCode.TOO_LARGE


def test_the_clock_stops_it() -> None:
    calls = []

    def check() -> None:
        calls.append(None)
        if len(calls) > 5:
            raise ItemFailure("decode", FailureCode.DECODE_TIMEOUT, "slow")

    with pytest.raises(ItemFailure, match="slow"):
        decode_animation(
            hostile.gif_of_frames(100),
            sampling=VideoSampling(),
            max_frame_pixels=100,
            max_source_pixels=100,
            check_time=check,
        )


def kinds(folder: Path, **options) -> dict[str, MediaKind]:
    listing = list_items(InputSpec(uris=(str(folder),), **options), StorageSpec())
    return {Path(item.item_id).name: item.kind for item in listing}


def test_the_input_says_what_a_gif_is(tmp_path) -> None:
    for name in ("a.gif", "b.apng", "c.webp", "d.png", "e.jpg"):
        (tmp_path / name).write_bytes(b"")
    assert set(kinds(tmp_path).values()) == {MediaKind.IMAGE}
    as_videos = kinds(tmp_path, animated="video")
    assert [name for name, kind in as_videos.items() if kind is MediaKind.VIDEO] == [
        "a.gif",
        "b.apng",
    ]


@pytest.mark.parametrize(
    ("form", "code"), [("GIF", None), ("WEBP", None), ("JPEG", FailureCode.NOT_MEDIA)]
)
def test_an_animation_planned_as_a_video_is_decoded_as_one(tmp_path, form: str, code) -> None:
    path = tmp_path / "film"
    path.write_bytes(encoded(quadrants(), "JPEG") if form == "JPEG" else pictures.film(form))
    item = Item("film", MediaKind.VIDEO, "1", (Medium(str(path), None, None),), TASKS)
    operator = DecodeOperator(StorageSpec(), MediaSpec(), 10**6, 10**6)
    operator.setup()
    (decoded,) = operator.decoded([item])
    operator.close()
    if code is None:
        assert decoded.failure is None
        assert decoded.frames is not None
        assert greys(decoded.frames) == [0, 2]
    else:
        assert decoded.failure is not None
        assert decoded.failure.code is code
