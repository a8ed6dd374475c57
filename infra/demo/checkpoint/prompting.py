"""A prompt and its media as the network takes them: what vLLM makes of the same request."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from PIL import Image
from tokenizers import Tokenizer
from torch import Tensor

from infra.demo.checkpoint.architecture import Architecture
from infra.demo.checkpoint.image_processor import MiniCPMVImageProcessor
from operators.models.minicpm_v import IMAGE_PLACEHOLDER, VIDEO_PLACEHOLDER
from schemas.failure import UsageError

PLACE_TOKEN = "<unk>"


@dataclass(frozen=True)
class EncodedPrompt:
    """One prompt.

    Attributes:
        tokens: (tokens,), int64.
        image_places: (tokens,), True where a slice's embeddings go.
        patches: (slices, most patches, 3 * p * p), padded with zeros.
        sizes: (slices, 2), int64: rows and columns of patches.
    """

    tokens: Tensor
    image_places: Tensor
    patches: Tensor
    sizes: Tensor


def image_processor(architecture: Architecture, *, video: bool) -> MiniCPMVImageProcessor:
    """The processor that vLLM takes for images, or for the frames of a video.

    A frame is never cut.
    """
    config: dict[str, Any] = architecture.preprocessor_config()
    if video:
        config["max_slice_nums"] = 1
    return MiniCPMVImageProcessor(**config)


def encode_prompt(
    prompt: str,
    pictures: Sequence[Image.Image],
    tokenizer: Tokenizer,
    architecture: Architecture,
    *,
    video: bool = False,
) -> EncodedPrompt:
    """Encode a prompt about pictures, or about one video whose frames they are.

    Args:
        prompt: As `ModelFamily.render` writes it: a placeholder for each picture, or one
            for the video.
        pictures: RGB images in the order of their placeholders, or frames of one size.
        tokenizer: The checkpoint's.
        architecture: The checkpoint's.
        video: Whether the pictures are frames.

    Raises:
        UsageError: If the prompt has another number of placeholders.
    """
    processor = image_processor(architecture, video=video)
    texts = media_texts([picture.size for picture in pictures], processor, video=video)
    pattern = VIDEO_PLACEHOLDER if video else IMAGE_PLACEHOLDER
    ids, places = encode_text(prompt, pattern, texts, tokenizer)
    slices = [piece for picture in pictures for piece in processor.slices(picture)]
    patches, sizes = stack_slices([unfold(piece, processor) for piece in slices])
    return EncodedPrompt(torch.tensor(ids), torch.tensor(places), patches, sizes)


def media_texts(
    sizes: Sequence[tuple[int, int]], processor: MiniCPMVImageProcessor, *, video: bool
) -> list[str]:
    """The texts that take the placeholders' stead: one a picture, or one for a video.

    Args:
        sizes: (width, height) of each picture or frame.
        processor: See `image_processor`.
        video: Whether they are frames.
    """
    if not video:
        return [
            processor.get_slice_image_placeholder(size, image_idx=index)
            for index, size in enumerate(sizes)
        ]
    if not sizes:
        return []
    frame = processor.get_slice_image_placeholder(sizes[0], use_image_id=False)
    return [frame * len(sizes)]


def encode_text(
    prompt: str, pattern: str, texts: Sequence[str], tokenizer: Tokenizer
) -> tuple[list[int], list[bool]]:
    """Tokens of a prompt, its placeholders replaced by texts encoded on their own.

    Args:
        prompt: With as many placeholders as texts.
        pattern: The placeholder.
        texts: What takes their stead.
        tokenizer: The checkpoint's.

    Returns:
        Token ids, and for each whether a slice's embedding goes there.

    Raises:
        UsageError: If placeholders and texts are not equally many. One that the tokenizer
            merges with its neighbours is none.
    """
    ids: list[int] = tokenizer.encode(prompt, add_special_tokens=False).ids
    wanted: list[int] = tokenizer.encode(pattern, add_special_tokens=False).ids
    place = tokenizer.token_to_id(PLACE_TOKEN)
    out: list[int] = []
    places: list[bool] = []
    index, used = 0, 0
    while index < len(ids):
        if ids[index : index + len(wanted)] != wanted:
            out.append(ids[index])
            places.append(False)
            index += 1
            continue
        if used < len(texts):
            text = tokenizer.encode(texts[used], add_special_tokens=False).ids
            out += text
            places += [token == place for token in text]
        used += 1
        index += len(wanted)
    if used != len(texts):
        raise UsageError(
            f"the prompt has {used} placeholder(s) {pattern} for {len(texts)} medium or media; "
            "write each on a line of its own"
        )
    return out, places


def unfold(piece: Image.Image, processor: MiniCPMVImageProcessor) -> tuple[Tensor, int, int]:
    """Patches (patches, 3 * p * p) of a slice, and its rows and columns of them."""
    side = processor.patch_size
    laid = processor.patches(piece).unflatten(2, (-1, side))
    patches = laid.permute(2, 0, 1, 3).flatten(1)
    return patches, piece.height // side, piece.width // side


def stack_slices(slices: Sequence[tuple[Tensor, int, int]]) -> tuple[Tensor, Tensor]:
    """Slices of any sizes as one batch: patches padded with zeros, and sizes.

    Args:
        slices: What `unfold` returned; at least one.
    """
    patches = torch.nn.utils.rnn.pad_sequence(
        [patches for patches, _, _ in slices], batch_first=True
    )
    return patches, torch.tensor([(rows, columns) for _, rows, columns in slices])
