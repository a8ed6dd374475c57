"""What Tagline must know of a model family."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from schemas.media import Frames, MediaKind


@dataclass(frozen=True)
class Geometry:
    """How a checkpoint cuts an image up, as `operators.models.checkpoint` reads it.

    Attributes:
        scale_resolution: Side of the square whose area one slice has, in pixels.
        patch_size: Side of a vision patch, in pixels.
        max_slice_nums: Most slices of an image, its overview not counted.
        query_num: Embeddings of one slice.
        context_tokens: Longest prompt plus answer, as the checkpoint's config has it.
    """

    scale_resolution: int
    patch_size: int
    max_slice_nums: int
    query_num: int
    context_tokens: int

    @property
    def max_image_pixels(self) -> int:
        """Pixels beyond which an image gives this checkpoint nothing more."""
        return self.max_slice_nums * self.max_frame_pixels

    @property
    def max_frame_pixels(self) -> int:
        """The same for one frame of a video, which is never sliced."""
        return self.scale_resolution**2


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

    @property
    def id(self) -> str:
        """As in `tagline models` and in a job file, such as ``minicpm-v-2.6``."""

    @property
    def version(self) -> str:
        """The ``version`` field of its checkpoints' config (``2.6``)."""

    @property
    def hub_id(self) -> str:
        """The published checkpoint."""

    @property
    def takes(self) -> frozenset[MediaKind]:
        """The kinds of item it can be asked about."""

    @property
    def limits(self) -> Limits:
        """What it can take, with the published checkpoint's geometry."""

    @property
    def stop_tokens(self) -> tuple[str, ...]:
        """Special tokens that end an answer, those in its vocabulary."""

    def render(self, parts: PromptParts, frames: Frames) -> str:
        """Render the prompt, with a placeholder for each image or one for the video.

        Text that looks like one of the model's special tokens is made harmless.
        """

    def image_tokens(self, frames: Frames, geometry: Geometry) -> int:
        """Embeddings that these pixels must occupy in the prompt.

        Args:
            frames: What is sent.
            geometry: The checkpoint's.
        """

    def engine_args(
        self, geometry: Geometry, max_frames: int, max_images: int
    ) -> dict[str, Any]:
        """Engine arguments for vLLM that this family needs beyond the defaults.

        Args:
            geometry: The checkpoint's.
            max_frames: Most frames of a video in this job.
            max_images: Most images of an item in this job.
        """


def frame_sizes(frames: Frames) -> Sequence[tuple[int, int]]:
    """(width, height) of each frame: the order that image processors use."""
    return [(width, height) for height, width in frames.shapes]
