import io
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from operators.images import decode_image
from schemas.failure import FailureCode, ItemFailure, Stage
from schemas.media import Frames, MediaKind
from tests.media import pictures
from tests.media.pictures import BLUE, GREEN, QUADRANTS, RED, WHITE, encoded, quadrants

MANY = 300_000_000
FORMS = ("JPEG", "PNG", "WEBP", "AVIF", "HEIF", "GIF", "BMP", "TIFF")
NOISE = Image.fromarray(
    np.random.default_rng(0).integers(0, 255, (100, 120, 3), dtype=np.uint8)
)


def decode(data: bytes, max_pixels: int = MANY) -> tuple[Frames, np.ndarray]:
    frames = decode_image(data, max_pixels=max_pixels, max_source_pixels=MANY)
    return frames, np.frombuffer(frames.pixels, np.uint8).reshape(*frames.shapes[0], 3)


def failure_of(data: bytes, max_source_pixels: int = MANY) -> ItemFailure:
    with pytest.raises(ItemFailure) as caught:
        decode_image(data, max_pixels=10**6, max_source_pixels=max_source_pixels)
    assert caught.value.stage is Stage.DECODE
    return caught.value


def assert_close(colours: list, expected: list, tolerance: int = 6) -> None:
    assert np.abs(np.array(colours, int) - np.array(expected, int)).max() <= tolerance, colours


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP", "AVIF", "HEIF", "TIFF"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_every_orientation_ends_upright(form: str, orientation: int) -> None:
    frames, pixels = decode(pictures.oriented(orientation, form))
    assert frames.kind is MediaKind.IMAGE
    assert (frames.source_width, frames.source_height) == (64, 32)
    assert pixels.shape == (32, 64, 3)
    assert_close(pictures.corners(pixels), list(QUADRANTS))


def test_what_the_container_turned_is_not_turned_again_for_exif() -> None:
    heic, avif = pictures.oriented(6, "HEIF"), pictures.avif_turned_twice()
    for data in (heic, avif):
        assert b"irot" in data
        assert b"\x01\x12\x00\x03" in data, "the tag in its EXIF block"
        assert_close(pictures.corners(decode(data)[1]), list(QUADRANTS))


@pytest.mark.parametrize("orientation", [1, 6])
def test_orientation_and_shrinking_together(orientation: int) -> None:
    frames, pixels = decode(pictures.oriented(orientation), max_pixels=800)
    assert pixels.shape == (20, 40, 3)
    assert (frames.source_width, frames.source_height) == (64, 32)
    assert_close(pictures.corners(pixels), list(QUADRANTS))


@pytest.mark.parametrize(
    ("mode", "form"),
    [
        *(("RGB", form) for form in FORMS),
        *(("P", form) for form in ("PNG", "GIF", "BMP", "TIFF")),
        *(("CMYK", form) for form in ("JPEG", "TIFF")),
        *(("RGBA", form) for form in ("PNG", "WEBP", "AVIF", "HEIF", "TIFF")),
        ("YCbCr", "JPEG"),
    ],
)
def test_colour_modes_give_the_same_colours(mode: str, form: str) -> None:
    options = {"quality": 95} if form in ("JPEG", "WEBP", "AVIF", "HEIF") else {}
    frames, pixels = decode(encoded(quadrants().convert(mode), form, **options))
    assert_close(pictures.corners(pixels), list(QUADRANTS))
    assert frames.source_format == form.lower().replace("heif", "heic")


@pytest.mark.parametrize(
    ("data", "name"),
    [
        (encoded(quadrants(), "JPEG", quality=95, progressive=True), "jpeg"),
        (pictures.ARITHMETIC_JPEG, "jpeg"),
        (pictures.ycck_jpeg(), "jpeg"),
        (encoded(quadrants(), "WEBP", lossless=True), "webp"),
        (encoded(quadrants(800, 600), "HEIF", quality=95, tile_size=256), "heic"),
        (encoded(quadrants(), "TIFF", compression="jpeg", quality=95), "tiff"),
        (encoded(quadrants(), "TIFF", compression="tiff_lzw"), "tiff"),
        (encoded(pictures.in_lab(quadrants()), "TIFF"), "tiff"),
        (encoded(quadrants(), "PNG", icc_profile=pictures.srgb_profile()), "png"),
    ],
)
def test_ways_of_coding_give_the_same_colours(data: bytes, name: str) -> None:
    frames, pixels = decode(data)
    assert frames.source_format == name
    assert_close(pictures.corners(pixels), list(QUADRANTS), 22)


@pytest.mark.parametrize("mode", ["1", "L"])
@pytest.mark.parametrize("form", ["PNG", "TIFF", "GIF", "BMP"])
def test_grey_modes_give_three_equal_channels(mode: str, form: str) -> None:
    half = Image.new("L", (8, 8), 255)
    half.paste(0, (4, 0, 8, 8))
    _, pixels = decode(encoded(half.convert(mode), form))
    assert (pixels[:, :4] == 255).all()
    assert (pixels[:, 4:] == 0).all()


@pytest.mark.parametrize("value", [0, 1000, 32768, 40000, 65535])
@pytest.mark.parametrize("form", ["PNG", "TIFF"])
def test_sixteen_bits_are_scaled_and_not_clipped(value: int, form: str) -> None:
    _, grey = decode(encoded(Image.fromarray(np.full((4, 4), value, np.uint16)), form))
    assert np.abs(grey.astype(int) - round(value / 257)).max() <= 1


def test_deep_colour_is_scaled() -> None:
    _, pixels = decode(pictures.deep_png(np.full((4, 4, 3), (65535, 32896, 0))))
    assert tuple(pixels[0, 0]) == (255, 128, 0)


def test_a_deep_grey_that_stands_for_transparency_is_laid_on_white() -> None:
    _, pixels = decode(pictures.grey_with_key())
    assert (pixels[:, :2] == 0).all()
    assert (pixels[:, 2:] == 255).all()


def test_what_is_no_number_is_black_and_spoils_no_other() -> None:
    samples = np.array([[0.0, 1.0], [0.5, np.nan]], np.float32)
    _, pixels = decode(encoded(Image.fromarray(samples), "TIFF"))
    assert pixels[..., 0].tolist() == [[0, 255], [128, 0]]


def test_floats_between_zero_and_one_are_taken_as_such() -> None:
    _, pixels = decode(encoded(Image.fromarray(np.full((4, 4), 0.5, np.float32)), "TIFF"))
    assert (pixels == 128).all()


@pytest.mark.parametrize("max_pixels", [MANY, 500])
def test_transparency_is_laid_on_white(max_pixels: int) -> None:
    clear = Image.new("RGBA", (64, 32), (0, 0, 0, 0))
    clear.paste((255, 0, 0, 255), (0, 0, 32, 32))
    _, pixels = decode(encoded(clear, "PNG"), max_pixels)
    assert_close(pictures.corners(pixels), [RED, WHITE, RED, WHITE])
    _, grey = decode(encoded(Image.new("LA", (8, 8), (0, 0)), "PNG"))
    assert (grey == 255).all()


def test_palette_and_colour_key_transparency() -> None:
    flat = Image.new("P", (8, 8), 0)
    flat.putpalette([0, 0, 0, *RED])
    assert (decode(encoded(flat, "PNG", transparency=0))[1] == 255).all()
    keyed = encoded(Image.new("RGB", (8, 8), BLUE), "PNG", transparency=BLUE)
    assert (decode(keyed)[1] == 255).all()


@pytest.mark.parametrize("form", ["GIF", "WEBP", "PNG", "AVIF"])
def test_the_first_frame_stands_for_an_animation(form: str) -> None:
    _, pixels = decode(pictures.animation(form))
    assert_close([tuple(pixels[8, 8])], [RED])


def test_a_colour_profile_is_applied() -> None:
    data = encoded(quadrants(), "PNG", icc_profile=pictures.swapped_profile())
    assert_close(pictures.corners(decode(data)[1]), [BLUE, GREEN, RED, WHITE], 40)


@pytest.mark.parametrize("profile", [b"no profile", b"\x00" * 500])
def test_a_broken_colour_profile_is_left_out(profile: bytes) -> None:
    data = encoded(quadrants(), "PNG", icc_profile=profile)
    assert_close(pictures.corners(decode(data)[1]), list(QUADRANTS))


def test_a_broken_exif_block_is_left_out() -> None:
    data = encoded(quadrants(), "JPEG", quality=95, exif=b"Exif\x00\x00MM\x00*\xff\xff\xff\xff")
    assert_close(pictures.corners(decode(data)[1]), list(QUADRANTS))


@given(
    st.integers(1, 300),
    st.integers(1, 300),
    st.integers(1, 5000),
    st.sampled_from(["JPEG", "PNG", "WEBP"]),
)
@settings(max_examples=60, deadline=None)
def test_any_size_is_shrunk_to_fit(width: int, height: int, max_pixels: int, form: str):
    data = encoded(Image.new("RGB", (width, height), GREEN), form, quality=95)
    frames, pixels = decode(data, max_pixels)
    assert pixels.shape[0] * pixels.shape[1] <= max(max_pixels, 1)
    assert (frames.source_width, frames.source_height) == (width, height)
    assert np.abs(pixels.astype(int) - GREEN).max() <= 6


WIDE = ("PNG", "TIFF", "BMP")
ANY = (*WIDE, "JPEG", "GIF")
ODD = [(size, form) for size in ((1, 1), (1, 9000), (65_000, 2)) for form in ANY]


@pytest.mark.parametrize(("size", "form"), [*ODD, *(((300_000, 1), form) for form in WIDE)])
def test_odd_shapes(size: tuple[int, int], form: str) -> None:
    frames, pixels = decode(encoded(Image.new("RGB", size, RED), form), 784)
    assert pixels.shape[0] * pixels.shape[1] <= 784
    assert (frames.source_width, frames.source_height) == size
    assert np.abs(pixels.astype(int) - RED).max() <= 3


def test_shrinking_keeps_the_picture() -> None:
    ramp = np.tile(np.linspace(0, 255, 1600, dtype=np.uint8)[None, :, None], (1200, 1, 3))
    data = encoded(Image.fromarray(ramp), "JPEG", quality=95)
    _, pixels = decode(data, 10_000)
    expected = np.linspace(0, 255, pixels.shape[1])
    assert np.abs(pixels[:, :, 0].mean(axis=0) - expected).max() < 4


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("part", [0.3, 0.7])
def test_a_cut_file_is_truncated(form: str, part: float) -> None:
    data = encoded(NOISE, form, **({"compression": "tiff_lzw"} if form == "TIFF" else {}))
    assert failure_of(data[: int(len(data) * part)]).code is FailureCode.TRUNCATED


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"", FailureCode.EMPTY_FILE),
        (b"this is text named .jpg\n" * 50, FailureCode.NOT_MEDIA),
        (b"\x00\x00\x00\x18ftypheic" + bytes(100), FailureCode.CORRUPT),
        (b"\x00\x00\x00\x0cJXL \r\n\x87\n" + bytes(100), FailureCode.FORMAT_NOT_ALLOWED),
        (b"\x89PNG\r\n\x1a\n" + bytes(100) + b"IEND", FailureCode.CORRUPT),
        (b"\x1a\x45\xdf\xa3webm" + bytes(100), FailureCode.NOT_MEDIA),
    ],
)
def test_what_is_no_image(data: bytes, code: FailureCode) -> None:
    assert failure_of(data).code is code


def test_a_job_may_take_fewer_formats() -> None:
    png, jpeg = encoded(quadrants(), "PNG"), encoded(quadrants(), "JPEG")
    with pytest.raises(ItemFailure) as caught:
        decode_image(png, max_pixels=100, max_source_pixels=MANY, formats=("jpeg", "webp"))
    assert caught.value.code is FailureCode.FORMAT_NOT_ALLOWED
    assert "png is not among media.image_formats (jpeg, webp)" in caught.value.message
    decode_image(jpeg, max_pixels=100, max_source_pixels=MANY, formats=("jpeg", "webp"))


@given(st.sampled_from(FORMS), st.data())
@settings(max_examples=200, deadline=None)
def test_damage_gives_pixels_or_a_failure_and_nothing_else(form: str, data) -> None:
    damaged = bytearray(encoded(quadrants(), form))
    for _ in range(data.draw(st.integers(1, 6))):
        place = data.draw(st.integers(0, len(damaged) - 1))
        damaged[place] = data.draw(st.integers(0, 255))
    try:
        decode_image(bytes(damaged), max_pixels=10**4, max_source_pixels=10**6)
    except ItemFailure as failure:
        assert failure.stage is Stage.DECODE


def test_nothing_is_printed_about_broken_images(tmp_path) -> None:
    broken_exif = encoded(
        quadrants(), "JPEG", exif=b"Exif\x00\x00II*\x00\x08\x00\x00\x00\x05\x00"
    )
    files = [broken_exif, pictures.png_bomb(16_000), encoded(NOISE, "JPEG")[:5000]]
    script = (
        "import sys\n"
        "from operators.images import decode_image\n"
        "from schemas.failure import ItemFailure\n"
        "for name in sys.argv[1:]:\n"
        "    try: decode_image(open(name,'rb').read(), max_pixels=1000,"
        " max_source_pixels=300_000_000)\n"
        "    except ItemFailure: pass\n"
    )
    names = []
    for number, data in enumerate(files):
        (tmp_path / str(number)).write_bytes(data)
        names.append(str(tmp_path / str(number)))
    done = subprocess.run(
        [sys.executable, "-c", script, *names], capture_output=True, text=True, timeout=60
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_a_broken_tiff_is_no_news_for_stderr(capfd) -> None:
    file = io.BytesIO()
    quadrants().save(file, "TIFF", compression="tiff_lzw")
    tiff = bytearray(file.getvalue())
    tiff[20:40] = bytes(20)
    with pytest.raises(ItemFailure):
        decode_image(bytes(tiff), max_pixels=10**4, max_source_pixels=10**6)
    assert capfd.readouterr().err == ""
