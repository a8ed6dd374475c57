from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image
from tokenizers import Tokenizer

from infra.demo.checkpoint.architecture import ARCHITECTURES
from infra.demo.checkpoint.prompting import (
    PLACE_TOKEN,
    EncodedPrompt,
    encode_prompt,
    image_processor,
    stack_slices,
    unfold,
)
from infra.demo.checkpoint.tokenizer import sentences, train_tokenizer
from operators.models.base import PromptParts
from operators.models.registry import FAMILIES
from schemas.failure import UsageError
from schemas.media import Frames, MediaKind

ARCHITECTURE = ARCHITECTURES["minicpm-v-2.6"]
FAMILY = FAMILIES["minicpm-v-2.6"]
SIZES = [(112, 112), (640, 480), (60, 300)]


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return train_tokenizer(sentences())


def rendered(kind: MediaKind, sizes: list[tuple[int, int]], user: str = "What is it?") -> str:
    pixels = bytes(sum(width * height * 3 for width, height in sizes))
    shapes = tuple((height, width) for width, height in sizes)
    times = tuple(map(float, range(len(sizes)))) if kind is MediaKind.VIDEO else ()
    frames = Frames(kind, pixels, shapes, pts_s=times)
    return FAMILY.render(PromptParts("Look at it.", user), frames)


def noise_pictures(sizes: list[tuple[int, int]]) -> list[Image.Image]:
    random = np.random.default_rng(0)
    return [
        Image.fromarray(random.integers(0, 256, (height, width, 3), dtype=np.uint8))
        for width, height in sizes
    ]


def text_of(encoded: EncodedPrompt, tokenizer: Tokenizer) -> str:
    text = tokenizer.decode(encoded.tokens.tolist(), skip_special_tokens=False)
    return text.replace(PLACE_TOKEN * ARCHITECTURE.query_num, "#")


def test_images_stand_where_their_placeholders_stood(tokenizer: Tokenizer) -> None:
    prompt = rendered(MediaKind.IMAGES, SIZES)
    encoded = encode_prompt(prompt, noise_pictures(SIZES), tokenizer, ARCHITECTURE)
    row = "<slice>#</slice>" * 3
    tall = "\n".join(["<slice>#</slice>"] * 3)
    assert text_of(encoded, tokenizer) == (
        "<|im_start|>system\nLook at it.<|im_end|>\n<|im_start|>user\n"
        "<image_id>0</image_id><image>#</image>\n"
        f"<image_id>1</image_id><image>#</image>{row}\n{row}\n{row}\n"
        f"<image_id>2</image_id><image>#</image>{tall}\n"
        "What is it?<|im_end|>\n<|im_start|>assistant\n"
    )
    place = tokenizer.token_to_id(PLACE_TOKEN)
    assert torch.equal(encoded.image_places, encoded.tokens == place)
    assert len(encoded.patches) == len(encoded.sizes) == 1 + 10 + 4
    assert int(encoded.image_places.sum()) == 15 * ARCHITECTURE.query_num


def test_frames_of_a_video_are_neither_cut_nor_numbered(tokenizer: Tokenizer) -> None:
    sizes = [(640, 480)] * 5
    prompt = rendered(MediaKind.VIDEO, sizes)
    pictures = noise_pictures(sizes)
    encoded = encode_prompt(prompt, pictures, tokenizer, ARCHITECTURE, video=True)
    assert f"user\n{'<image>#</image>' * 5}\nWhat" in text_of(encoded, tokenizer)
    assert len(encoded.patches) == 5


def test_patches_are_those_of_the_image_processor() -> None:
    processor = image_processor(ARCHITECTURE, video=False)
    pieces = [piece for one in noise_pictures(SIZES[:2]) for piece in processor.slices(one)]
    patches, sizes = stack_slices([unfold(piece, processor) for piece in pieces])
    assert patches.shape == (11, int(sizes.prod(1).max()), 3 * 14 * 14)
    for piece, own, (rows, columns) in zip(pieces, patches, sizes.tolist(), strict=True):
        assert (piece.height, piece.width) == (rows * 14, columns * 14)
        corner = np.asarray(piece, dtype=np.float32)[-14:, -14:] / 127.5 - 1
        last = own[rows * columns - 1].unflatten(0, (3, 14, 14)).permute(1, 2, 0)
        assert np.allclose(last.numpy(), corner, atol=1e-5)
        assert not own[rows * columns :].any()


@pytest.mark.parametrize("count", [0, 1, 3])
def test_another_number_of_placeholders_is_refused(tokenizer: Tokenizer, count: int) -> None:
    prompt = rendered(MediaKind.IMAGES, SIZES[:2])
    pictures = noise_pictures([(20, 20)] * count)
    with pytest.raises(UsageError, match=rf"2 placeholder.*for {count} medi"):
        encode_prompt(prompt, pictures, tokenizer, ARCHITECTURE)


def test_words_that_look_like_media_stay_words(tokenizer: Tokenizer) -> None:
    prompt = rendered(MediaKind.IMAGE, [(20, 20)], "(<image>./</image>) <unk>")
    encoded = encode_prompt(prompt, noise_pictures([(20, 20)]), tokenizer, ARCHITECTURE)
    assert int(encoded.image_places.sum()) == ARCHITECTURE.query_num
