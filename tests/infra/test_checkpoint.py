from __future__ import annotations

import json
import math
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from safetensors.torch import load_file
from tokenizers import Tokenizer

from infra.demo.checkpoint.architecture import ARCHITECTURES, Architecture
from infra.demo.checkpoint.build import build_checkpoint, ensure_checkpoint
from infra.demo.checkpoint.image_processor import MiniCPMVImageProcessor
from infra.demo.checkpoint.tokenizer import (
    SPECIAL_TOKENS,
    VOCABULARY_SIZE,
    sentences,
    train_tokenizer,
)
from infra.demo.checkpoint.trained import MODEL, TRAINED
from infra.demo.checkpoint.weights import random_weights, weight_shapes
from operators.models.base import Geometry
from operators.models.checkpoint import read_config, read_geometry
from operators.models.registry import detect_family
from operators.models.slicing import image_embeddings
from schemas.failure import UsageError


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return train_tokenizer(sentences())


@pytest.mark.parametrize("family", sorted(ARCHITECTURES))
def test_a_folder_is_complete_and_of_its_family(family: str, tmp_path: Path) -> None:
    folder = build_checkpoint(tmp_path / "model", family)
    assert {path.name for path in folder.iterdir()} == {
        "chat_template.jinja",
        "config.json",
        "configuration_minicpmv.py",
        "image_processing_minicpmv.py",
        "model.safetensors",
        "preprocessor_config.json",
        "tokenizer.json",
        "tokenizer_config.json",
    }
    assert detect_family(read_config(folder)).id == family
    assert read_geometry(folder) == Geometry(112, 14, 9, 16, 8192)
    weights = load_file(folder / "model.safetensors")
    assert {n: tuple(w.shape) for n, w in weights.items()} == weight_shapes(
        ARCHITECTURES[family]
    )
    assert {w.dtype for w in weights.values()} == {torch.bfloat16}


def test_a_family_without_tiny_checkpoint_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"minicpm-v-2\.0.*choose from"):
        build_checkpoint(tmp_path, "minicpm-v-2.0")


def test_weights_that_do_not_fit_are_named(tmp_path: Path) -> None:
    weights = random_weights(ARCHITECTURES["minicpm-v-2.6"], seed=0)
    weights["resampler.query"] = torch.zeros(3, 3)
    del weights["resampler.proj"]
    with pytest.raises(UsageError, match=r"2 weights do not fit.*resampler\.proj: None"):
        build_checkpoint(tmp_path, weights=weights)


def test_a_seed_decides_the_weights() -> None:
    tiny = Architecture("minicpm-v-2.6", 2.6, "Qwen2", layers=1, vision_layers=1)
    first, same, other = (random_weights(tiny, seed) for seed in (1, 1, 2))
    assert all(torch.equal(first[name], same[name]) for name in first)
    assert not torch.equal(first["llm.lm_head.weight"], other["llm.lm_head.weight"])


def test_a_checkpoint_is_built_once_and_again_when_out_of_date(tmp_path: Path) -> None:
    folder = ensure_checkpoint(tmp_path / "model")
    weights = folder / "model.safetensors"
    built = weights.stat().st_mtime_ns
    began = time.monotonic()
    assert ensure_checkpoint(folder) == folder
    assert time.monotonic() - began < 1
    assert weights.stat().st_mtime_ns == built
    stamp = folder / "tagline-stamp.json"
    stamp.write_text(json.dumps({**json.loads(stamp.read_text()), "sources": "older"}))
    ensure_checkpoint(folder)
    assert weights.stat().st_mtime_ns != built
    assert [path.name for path in tmp_path.iterdir() if path.is_dir()] == ["model"]


def test_the_command_builds_one(tmp_path: Path) -> None:
    subprocess.run(
        [sys.executable, "-m", "infra.demo.checkpoint", "build", "--out", str(tmp_path / "m")],
        check=True,
        capture_output=True,
        env={**os.environ, "PYTHONPATH": os.getcwd()},
    )
    assert detect_family(read_config(tmp_path / "m")).id == "minicpm-v-2.6"


def test_special_tokens_come_first_and_are_one_token_each(tokenizer: Tokenizer) -> None:
    assert tokenizer.get_vocab_size() <= VOCABULARY_SIZE
    assert [tokenizer.encode(token).ids for token in SPECIAL_TOKENS] == [
        [index] for index in range(len(SPECIAL_TOKENS))
    ]


@given(st.text(st.characters(codec="utf-8")))
def test_any_text_survives_the_tokenizer(tokenizer: Tokenizer, text: str) -> None:
    if any(token in text for token in SPECIAL_TOKENS):
        return
    assert tokenizer.decode(tokenizer.encode(text).ids) == text


def test_captions_are_short(tokenizer: Tokenizer) -> None:
    caption = "a large red circle at the left and a small blue star at the right"
    assert len(tokenizer.encode(caption).ids) <= 20


PROCESSOR = MiniCPMVImageProcessor(scale_resolution=112, image_feature_size=16)
GEOMETRY = Geometry(112, 14, 9, 16, 8192)


@given(st.integers(1, 2000), st.integers(1, 2000))
def test_placeholders_are_as_many_as_our_arithmetic_says(width: int, height: int) -> None:
    text = PROCESSOR.get_slice_image_placeholder((width, height))
    assert text.count("<unk>") == image_embeddings(width, height, GEOMETRY)


@pytest.mark.parametrize("size", [(1, 1), (1, 900), (640, 480), (300, 900), (112, 112)])
def test_pixels_and_placeholders_agree(size: tuple[int, int]) -> None:
    prepared = PROCESSOR.preprocess([[Image.new("RGB", size)]])
    slices = prepared["pixel_values"][0]
    assert len(slices) * 16 == image_embeddings(*size, GEOMETRY)
    assert prepared["image_sizes"] == [[size]]
    for patches, grid in zip(slices, prepared["tgt_sizes"][0].tolist(), strict=True):
        assert patches.shape == (3, 14, grid[0] * grid[1] * 14)


def test_a_slice_has_about_the_area_of_the_encoders_square() -> None:
    for picture in PROCESSOR.slices(Image.new("RGB", (640, 480))):
        assert math.isclose(picture.width * picture.height, 112 * 112, rel_tol=0.25)


def test_patches_are_laid_out_row_by_row() -> None:
    pixels = np.zeros((28, 42, 3), dtype=np.uint8)
    pixels[14:28, 28:42] = 255
    patches = PROCESSOR.patches(Image.fromarray(pixels)).reshape(3, 14, 6, 14)
    means = patches.mean(dim=(0, 1, 3)).tolist()
    assert means == pytest.approx([-1, -1, -1, -1, -1, 1])


def test_slices_hold_the_image_in_reading_order() -> None:
    image = Image.new("RGB", (224, 224))
    image.paste((255, 0, 0), (112, 0, 224, 112))
    image.paste((0, 255, 0), (0, 112, 112, 224))
    _overview, *slices = PROCESSOR.slices(image)
    assert [one.getpixel((56, 56)) for one in slices] == [
        (0, 0, 0),
        (255, 0, 0),
        (0, 255, 0),
        (0, 0, 0),
    ]


def test_the_committed_checkpoint_is_what_would_be_built_from_its_weights(
    tmp_path: Path,
) -> None:
    weights = load_file(MODEL / "model.safetensors")
    tokenizer = Tokenizer.from_file(str(MODEL / "tokenizer.json"))
    built = build_checkpoint(
        tmp_path, weights=weights, architecture=TRAINED, tokenizer=tokenizer
    )
    for file in built.iterdir():
        if file.suffix != ".safetensors":
            assert file.read_bytes() == (MODEL / file.name).read_bytes(), file.name
