"""How near shrunk pixels are to the best resampling, and what they cost."""

import io
import time
from collections.abc import Callable

import numpy as np
import pytest
from PIL import Image

from operators.geometry import fit_within
from operators.images import decode_image
from operators.images.pixels import seen, shrunk
from tests.bench.photographs import TWELVE_MP, PhotoSet, jpegs

MAX_PIXELS = 1344 * 1344
SMALL = PhotoSet("small", 1000, 750)


@pytest.fixture(scope="module")
def photograph() -> bytes:
    return next(jpegs(TWELVE_MP, 1))


def ours(data: bytes, max_pixels: int = MAX_PIXELS) -> np.ndarray:
    frames = decode_image(data, max_pixels=max_pixels, max_source_pixels=10**8)
    return np.frombuffer(frames.pixels, np.uint8).reshape(*frames.shapes[0], 3)


def plain(data: bytes, max_pixels: int = MAX_PIXELS) -> np.ndarray:
    image = Image.open(io.BytesIO(data))
    target = fit_within(*image.size, max_pixels)
    return np.asarray(image.resize(target, Image.Resampling.LANCZOS))


def psnr(pixels: np.ndarray, reference: np.ndarray) -> float:
    return float(10 * np.log10(255**2 / np.mean((pixels.astype(float) - reference) ** 2)))


def cpu_s(work: Callable[[], object]) -> float:
    best = float("inf")
    for _ in range(3):
        started = time.process_time()
        work()
        best = min(best, time.process_time() - started)
    return best


def test_a_photograph_is_shrunk_truly_and_soon(photograph: bytes) -> None:
    assert psnr(ours(photograph), plain(photograph)) >= 45
    # About four times here; the pixels' noise is most of this file.
    assert cpu_s(lambda: plain(photograph)) >= 3 * cpu_s(lambda: ours(photograph))


@pytest.mark.parametrize("crop", [(3999, 2999), (3993, 2995)])
def test_sides_that_the_decoder_fills_up_stretch_nothing(photograph: bytes, crop) -> None:
    file = io.BytesIO()
    Image.open(io.BytesIO(photograph)).crop((0, 0, *crop)).save(file, "JPEG", quality=88)
    data = file.getvalue()
    assert psnr(ours(data), plain(data)) >= 45


@pytest.mark.parametrize("ratio", [1.01, 1.1, 1.29, 1.5, 1.99, 2.3, 2.6, 3.7, 7.3])
@pytest.mark.parametrize("size", [(1000, 750), (997, 743)])
def test_every_ratio_is_near_the_best_resampling(ratio: float, size: tuple[int, int]) -> None:
    source = Image.open(io.BytesIO(next(jpegs(SMALL, 1)))).convert("RGB").crop((0, 0, *size))
    target = (round(size[0] / ratio), round(size[1] / ratio))
    reference = np.asarray(source.resize(target, Image.Resampling.LANCZOS))
    pixels = shrunk(seen(source), source.size, target)[..., :3]
    assert pixels.shape == reference.shape
    assert psnr(pixels, reference) >= 44


@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA", "CMYK"])
def test_pixels_are_seen_as_they_are(mode: str) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (30, 50, 4), np.uint8)
    image = Image.fromarray(noise).convert(mode)
    pixels = seen(image)
    assert pixels.shape[:2] == (30, 50)
    expected = np.asarray(image)
    assert (
        pixels[..., : expected.shape[2]] == expected if mode != "L" else pixels == expected
    ).all()
