"""Files that ask for too much: decoded, or refused by name, soon and with little memory."""

import io
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from operators.images import decode_image
from operators.images.png_chunks import essential
from schemas.failure import FailureCode, ItemFailure
from tests.media import hostile_pictures as hostile
from tests.media import pictures
from tests.media.pictures import QUADRANTS, RED, encoded, quadrants

LIMIT = 100_000_000
LARGE = 2**31 - 1

END = b"\xff\xd9"
REFUSED: dict[str, tuple[Callable[[], bytes], FailureCode]] = {
    "png": (pictures.png_bomb, FailureCode.TOO_LARGE),
    "jpeg": (lambda: hostile.jpeg_claiming(65_000, 65_000), FailureCode.TOO_LARGE),
    "webp": (lambda: hostile.webp_of_frames(1, (16_384, 16_384)), FailureCode.TOO_LARGE),
    "bmp": (lambda: hostile.bmp_claiming(60_000, 60_000), FailureCode.TOO_LARGE),
    "gif": (lambda: hostile.gif_claiming(60_000, 60_000), FailureCode.TOO_LARGE),
    "gif to be cleared": (lambda: hostile.gif_disposing(60_000, 60_000), FailureCode.TOO_LARGE),
    "avif": (lambda: hostile.box_claiming("AVIF", 15_000, 15_000), FailureCode.TOO_LARGE),
    "heic": (lambda: hostile.box_claiming("HEIF", LARGE, LARGE), FailureCode.TOO_LARGE),
    "heic that holds more": (lambda: hostile.box_claiming("HEIF", 16, 16), FailureCode.CORRUPT),
    "tiff": (
        lambda: hostile.tiff({256: (hostile.LONG, 1, LARGE), 257: (hostile.LONG, 1, LARGE)}),
        FailureCode.TOO_LARGE,
    ),
    "tiff of a billion strips": (
        lambda: hostile.tiff({273: (hostile.LONG, 2**30, 8), 279: (hostile.LONG, 2**30, 8)}),
        FailureCode.CORRUPT,
    ),
    "tiff that lacks strips": (
        lambda: hostile.tiff({257: (hostile.LONG, 1, 40_000_000)}),
        FailureCode.CORRUPT,
    ),
    "tiff of a giant tile": (
        lambda: hostile.tiff_with_giant_tile(60_000),
        FailureCode.TOO_LARGE,
    ),
    "png without palette": (hostile.png_without_palette, FailureCode.CORRUPT),
    "jpeg of many scans": (lambda: hostile.jpeg_of_scans(1000), FailureCode.TOO_LARGE),
    "scans behind an end": (lambda: hostile.jpeg_of_scans(1000, END), FailureCode.TOO_LARGE),
    "planes": (lambda: hostile.jpeg_by_planes(quadrants(), times=99), FailureCode.TOO_LARGE),
}
TAKEN: dict[str, Callable[[], bytes]] = {
    "gif of 100,000 frames": lambda: hostile.gif_of_frames(100_000),
    "apng of 100,000 frames": lambda: hostile.apng_of_frames(100_000),
    "webp of 100,000 frames": lambda: hostile.webp_of_frames(100_000),
    "png text": lambda: hostile.png_with_bomb(b"zTXt"),
    "png international text": lambda: hostile.png_with_bomb(b"iTXt"),
    "png profile": lambda: hostile.png_with_bomb(b"iCCP"),
    "tiff tag of terabytes": lambda: hostile.tiff({270: (hostile.ASCII, 2**32 - 1, 8)}),
    "tiff of many directories": lambda: hostile.tiff({}, directories=50_000),
    "tiff that leads to itself": lambda: hostile.tiff({}, directories=0),
    "jpeg of some scans": lambda: hostile.jpeg_of_scans(90, b"\xff\xda" * 200),
}


def failure_of(data: bytes) -> ItemFailure:
    with pytest.raises(ItemFailure) as caught:
        decode_image(data, max_pixels=10**6, max_source_pixels=LIMIT)
    return caught.value


@pytest.mark.parametrize("name", REFUSED)
def test_what_asks_for_too_much_is_refused_at_once(name: str) -> None:
    make, code = REFUSED[name]
    data = make()
    started = time.perf_counter()
    failure = failure_of(data)
    assert time.perf_counter() - started < 2
    assert failure.code is code, failure.message


def test_the_claim_and_the_remedy_are_named() -> None:
    message = failure_of(pictures.png_bomb()).message
    assert "40000 x 40000" in message
    assert "100,000,000" in message
    assert "media.max_source_pixels" in message


def large(form: str, mode: str = "RGB", **options: object) -> bytes:
    picture = quadrants().resize((3000, 2000))
    match mode:
        case "I;16":
            picture = pictures.Image.fromarray(
                np.asarray(picture.convert("L"), np.uint16) * 257
            )
        case "P":
            picture = picture.quantize(8)
        case _:
            picture = picture.convert(mode)
    file = io.BytesIO()
    picture.save(file, form, **options)
    return file.getvalue()


LARGE_PICTURES: dict[str, Callable[[], bytes]] = {
    "jpeg": lambda: large("JPEG"),
    "progressive jpeg": lambda: large("JPEG", progressive=True, subsampling=0),
    "jpeg by planes": lambda: hostile.jpeg_by_planes(quadrants().resize((3000, 2000))),
    "png": lambda: large("PNG"),
    "transparent png": lambda: large("PNG", "RGBA"),
    "palette png": lambda: large("PNG", "P"),
    "deep png": lambda: large("PNG", "I;16"),
    "webp": lambda: large("WEBP", method=0),
    "transparent webp": lambda: large("WEBP", "RGBA", method=0),
    "gif": lambda: large("GIF", "P"),
    "tiff": lambda: large("TIFF", compression="tiff_adobe_deflate"),
    "deep tiff": lambda: large("TIFF", "F"),
    "bmp": lambda: large("BMP"),
    "avif": lambda: large("AVIF", speed=10),
}


def test_a_jpeg_takes_less_than_its_pixels_would() -> None:
    size = {"max_pixels": 10**6, "max_source_pixels": LIMIT}
    decode_image(LARGE_PICTURES["jpeg"](), **size, max_decode_bytes=10_000_000)
    for name in ("progressive jpeg", "png", "tiff"):
        with pytest.raises(ItemFailure) as caught:
            decode_image(LARGE_PICTURES[name](), **size, max_decode_bytes=30_000_000)
        assert caught.value.code is FailureCode.TOO_LARGE
        decode_image(LARGE_PICTURES[name](), **size, max_decode_bytes=60_000_000)


def test_a_tiny_file_does_not_take_gigabytes() -> None:
    data = hostile.webp_of_frames(1, (16_384, 16_384))
    assert len(data) < 1000
    with pytest.raises(ItemFailure) as caught:
        decode_image(data, max_pixels=10**6, max_source_pixels=300_000_000)
    assert caught.value.code is FailureCode.TOO_LARGE
    for told in ("16384 x 16384", "4.6 GiB", "2.0 GiB", "media.max_decode_bytes", "JPEG"):
        assert told in caught.value.message


PEAK = r"""
import json, re, sys
from pathlib import Path
from operators.images import decode_image
from operators.images.memory import bytes_to_decode
from operators.images.opening import opened
from schemas.media import IMAGE_FORMATS

def of_status(name):
    status = Path("/proc/self/status").read_text()
    return int(re.search(name + r":\s+(\d+)", status).group(1)) * 1024

said = {}
for path in [sys.argv[1], *sys.argv[1:]]:
    data = Path(path).read_bytes()
    with opened(data, IMAGE_FORMATS, 10**9, 10**12) as (image, kind):
        source = image.size
        if kind.name == "jpeg":
            image.draft(None, (387, 258))
        estimate = bytes_to_decode(image, kind, source)
    Path("/proc/self/clear_refs").write_text("5")
    before = of_status("VmRSS")
    decode_image(data, max_pixels=10**5, max_source_pixels=10**9)
    said[path] = (estimate, of_status("VmHWM") - before)
print(json.dumps(said))
"""


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="needs Linux")
@pytest.mark.parametrize("name", LARGE_PICTURES)
def test_the_estimate_is_no_less_than_what_it_takes(name: str, tmp_path) -> None:
    path = tmp_path / "picture"
    path.write_bytes(LARGE_PICTURES[name]())
    done = subprocess.run(
        [sys.executable, "-c", PEAK, str(path)],
        capture_output=True,
        text=True,
        timeout=120,
        env=os.environ | {"MALLOC_TRIM_THRESHOLD_": "0", "MALLOC_MMAP_THRESHOLD_": "65536"},
    )
    assert done.returncode == 0, done.stderr
    [(estimate, taken)] = json.loads(done.stdout).values()
    assert taken <= estimate * 1.05 + 2_000_000
    assert estimate <= taken * 2 + 4_000_000


@pytest.mark.parametrize("name", TAKEN)
def test_what_only_looks_large_is_decoded_soon(name: str) -> None:
    data = TAKEN[name]()
    started = time.perf_counter()
    frames = decode_image(data, max_pixels=10**6, max_source_pixels=LIMIT)
    assert time.perf_counter() - started < 3
    pixels = np.frombuffer(frames.pixels, np.uint8).reshape(*frames.shapes[0], 3)
    if name.startswith("png"):
        assert pictures.corners(pixels) == list(QUADRANTS)
    elif "frames" in name:
        assert (pixels == RED).all()


MEASURE = """
import json, resource, sys
from operators.images import decode_animation, decode_image
from schemas.failure import ItemFailure
from schemas.sampling import VideoSampling

def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024

grown = {}
for name in sys.argv[1:]:
    data = open(name, "rb").read()
    before = peak()
    try:
        decode_image(data, max_pixels=10**6, max_source_pixels=100_000_000)
        if name.endswith("film"):
            decode_animation(
                data,
                sampling=VideoSampling(),
                max_frame_pixels=10**6,
                max_source_pixels=100_000_000,
            )
            raise RuntimeError(f"{name} was played")
    except ItemFailure:
        pass
    grown[name] = peak() - before
print(json.dumps(grown))
"""


def test_neither_takes_much_memory(tmp_path) -> None:
    # The first one pays for what is loaded once.
    made = {"first": encoded(quadrants(), "HEIF"), "second": encoded(quadrants(), "TIFF")}
    made |= {name: make() for name, (make, _) in REFUSED.items()}
    made |= {name: make() for name, make in TAKEN.items()}
    made["a later frame to be cleared: film"] = hostile.gif_disposing(60_000, 60_000, after=2)
    paths = {}
    for number, (name, data) in enumerate(made.items()):
        path = tmp_path / f"{number:02}{name[-4:]}"
        path.write_bytes(data)
        paths[str(path)] = name
    done = subprocess.run(
        [sys.executable, "-c", MEASURE, *paths], capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    grown = {paths[path]: size for path, size in json.loads(done.stdout).items()}
    del grown["first"], grown["second"]
    assert max(grown.values()) < 64, grown


@pytest.mark.parametrize(
    ("name", "body"),
    [
        (b"tEXt", b"workflow\x00" + b"x" * 20_000_000),
        (b"zTXt", b"Comment\x00\x00" + b"no deflate"),
        (b"iTXt", b"Comment\x00\x01\x07\x00\x00\x00"),
        (b"vpAg", b"anything"),
        (b"sBIT", b""),
    ],
)
def test_what_a_png_says_beside_its_pixels_costs_it_nothing(name: bytes, body: bytes) -> None:
    frames = decode_image(
        hostile.png_with_chunk(name, body), max_pixels=10**6, max_source_pixels=LIMIT
    )
    pixels = np.frombuffer(frames.pixels, np.uint8).reshape(*frames.shapes[0], 3)
    assert pictures.corners(pixels) == list(QUADRANTS)


def test_a_plain_png_is_not_copied() -> None:
    png = encoded(quadrants(), "PNG")
    assert essential(png) is png
    assert essential(hostile.png_with_chunk(b"tEXt", b"a\x00b")) == png


def test_orientation_in_an_old_programs_text_counts() -> None:
    turned = quadrants().transpose(pictures.Image.Transpose.ROTATE_90)
    exif = pictures.Image.Exif()
    exif[0x0112] = 6
    block = b"Exif\x00\x00" + exif.tobytes().removeprefix(b"Exif\x00\x00")
    text = f"\nexif\n{len(block):8}\n{block.hex()}\n".encode()
    png = encoded(turned, "PNG")
    body = b"Raw profile type exif\x00" + text
    data = png[:33] + pictures.png_chunk(b"tEXt", body) + png[33:]
    frames = decode_image(data, max_pixels=10**6, max_source_pixels=LIMIT)
    pixels = np.frombuffer(frames.pixels, np.uint8).reshape(*frames.shapes[0], 3)
    assert pictures.corners(pixels) == list(QUADRANTS)
