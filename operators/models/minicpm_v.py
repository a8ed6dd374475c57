"""What the versions of MiniCPM-V have in common."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from operators.models.base import Geometry, Limits, PromptParts, frame_sizes
from operators.models.chat import Chat, defuse
from operators.models.slicing import image_embeddings, most_image_embeddings, video_embeddings
from schemas.failure import UsageError
from schemas.media import Frames, MediaKind

IMAGE_PLACEHOLDER = "(<image>./</image>)"
VIDEO_PLACEHOLDER = "(<video>./</video>)"
MIN_BATCHED_TOKENS = 2048

IMAGE_ONLY = frozenset({MediaKind.IMAGE})
ALL_KINDS = frozenset(MediaKind)


@dataclass(frozen=True)
class MiniCPMV:
    """One version of MiniCPM-V; see `operators.models.base.ModelFamily`.

    Attributes:
        id: Family id.
        version: Of the checkpoints' config.
        hub_id: The published checkpoint.
        takes: Kinds of item.
        limits: With the published geometry.
        chat: Its turns.
        stop_tokens: What ends an answer.
    """

    id: str
    version: str
    hub_id: str
    takes: frozenset[MediaKind]
    limits: Limits
    chat: Chat
    stop_tokens: tuple[str, ...]

    def render(self, parts: PromptParts, frames: Frames) -> str:
        """Render the prompt, with a placeholder for each image or one for the video.

        Raises:
            UsageError: If the family does not take items of this kind.
        """
        self._require_kind(frames.kind)
        if frames.kind is MediaKind.VIDEO:
            media = VIDEO_PLACEHOLDER
        else:
            media = "\n".join([IMAGE_PLACEHOLDER] * len(frames.shapes))
        return self.chat.prompt(defuse(parts.system), media, defuse(parts.user))

    def image_tokens(self, frames: Frames, geometry: Geometry) -> int:
        """Embeddings that these pixels must occupy in the prompt.

        Raises:
            UsageError: If the family does not take items of this kind.
        """
        self._require_kind(frames.kind)
        if frames.kind is MediaKind.VIDEO:
            return video_embeddings(len(frames.shapes), geometry)
        return sum(image_embeddings(w, h, geometry) for w, h in frame_sizes(frames))

    def engine_args(
        self, geometry: Geometry, max_frames: int, max_images: int
    ) -> dict[str, Any]:
        """Engine arguments for vLLM that this family needs beyond the defaults.

        vLLM encodes a medium only if all its embeddings fit into one batch of tokens, so
        the batch must hold the longest video and the costliest image.
        """
        limits = {"image": min(max_images, self.limits.max_images)}
        most = most_image_embeddings(geometry)
        if MediaKind.VIDEO in self.takes:
            limits["video"] = 1
            frames = min(max_frames, self.limits.max_frames)
            most = max(most, video_embeddings(frames, geometry))
        return {
            "trust_remote_code": True,
            "limit_mm_per_prompt": limits,
            "max_num_batched_tokens": max(MIN_BATCHED_TOKENS, most),
        }

    def _require_kind(self, kind: MediaKind) -> None:
        if kind not in self.takes:
            taken = ", ".join(sorted(self.takes))
            raise UsageError(f"{self.id} takes {taken}, not {kind}")
