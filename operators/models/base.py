"""What Tagline must know of a model family."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from schemas.media import Frames, MediaKind


@dataclass(frozen=True)
class Limits:
    """What a family can take.

    Attributes:
        max_image_pixels: Pixels beyond which an image gives the model nothing more.
        max_frame_pixels: The same for one frame of a video; 0 if it takes no video.
        max_images: Images in one prompt.
        max_frames: Frames in one video; 0 if it takes no video.
        context_tokens: Longest prompt plus answer of the published checkpoints.
    """

    max_image_pixels: int
    max_frame_pixels: int
    max_images: int
    max_frames: int
    context_tokens: int


@dataclass(frozen=True)
class PromptParts:
    """A prompt before a family renders it.

    Attributes:
        system: The instruction, the same for every item of a task, so that its prefix is
            computed once. Families without a system turn put it into the user turn.
        user: What is said of this item, after its media.
    """

    system: str
    user: str


class ModelFamily(Protocol):
    """One family: how it is asked, what an image costs, what it can do."""

    id: str
    """As in `tagline models` and in a job file, such as ``minicpm-v-2.6``."""

    version: str
    """The ``version`` field of its checkpoints' config (``2.6``)."""

    hub_id: str
    """The published checkpoint."""

    takes: frozenset[MediaKind]
    limits: Limits

    def render(self, parts: PromptParts, frames: Frames) -> str:
        """Render the prompt, with a placeholder for each image or one for the video.

        Text that looks like one of the model's special tokens is made harmless.
        """

    def image_tokens(self, frames: Frames, config: dict[str, Any]) -> int:
        """Embeddings that these pixels must occupy in the prompt.

        Args:
            frames: What is sent.
            config: The checkpoint's geometry, as `read_geometry` gives it.
        """

    def engine_args(self, config: dict[str, Any], max_frames: int) -> dict[str, Any]:
        """Engine arguments for vLLM that this family needs beyond the defaults."""


def frame_sizes(frames: Frames) -> Sequence[tuple[int, int]]:
    """(width, height) of each frame: the order that image processors use."""
    return [(width, height) for height, width in frames.shapes]
