"""Frames as vLLM wants them."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from operators.arrays import frame_arrays
from operators.base import Request
from schemas.failure import FailureCode, ItemFailure, Stage
from schemas.media import Frames, MediaKind


def prompt_with_media(request: Request) -> dict[str, Any]:
    """The prompt in vLLM's form: text, pixels, and an id for each medium.

    With equal ids vLLM prepares, encodes and caches the same medium once, however many
    tasks ask about it.

    Raises:
        ItemFailure: If the frames of a video are not all of one size.
    """
    frames, key = request.frames, request.media_key
    if not frames.shapes:
        return {"prompt": request.prompt}
    if frames.kind is MediaKind.VIDEO:
        media: dict[str, Any] = {"video": [as_video(frames)]}
        ids: dict[str, Any] = {"video": [f"{key}:video"]}
    else:
        media = {"image": as_images(frames)}
        ids = {"image": [f"{key}:{index}" for index in range(len(frames.shapes))]}
    prompt: dict[str, Any] = {"prompt": request.prompt, "multi_modal_data": media}
    if key:
        prompt["multi_modal_uuids"] = ids
    return prompt


def as_images(frames: Frames) -> list[Image.Image]:
    """One RGB image a frame, read from the buffer without a copy before Pillow's own."""
    pictures = frame_arrays(frames.pixels, frames.shapes)
    return [Image.fromarray(picture, mode="RGB") for picture in pictures]


def as_video(frames: Frames) -> npt.NDArray[np.uint8]:
    """All frames as one array (frames, height, width, 3), uint8, sharing the buffer.

    Raises:
        ItemFailure: If they are not all of one size.
    """
    if len(set(frames.shapes)) != 1:
        sizes = ", ".join(f"{w}x{h}" for h, w in sorted(set(frames.shapes))) or "none"
        raise ItemFailure(
            Stage.ANNOTATE,
            FailureCode.ENGINE_REFUSED,
            f"the frames of a video must all have one size; these have: {sizes}",
        )
    height, width = frames.shapes[0]
    flat = np.frombuffer(frames.pixels, dtype=np.uint8)
    return flat.reshape(len(frames.shapes), height, width, 3)
