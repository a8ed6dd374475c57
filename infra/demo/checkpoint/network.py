"""MiniCPM-V 2.6 in plain PyTorch, small enough to train on a CPU.

It computes what vLLM computes from the same weights, under the same names, so that what
is trained here answers there. It is written for speed in training: slices without padding
take no mask, tokens with which many sequences begin are computed once, and logits only
where they are asked for.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

import torch
from torch import Tensor, nn

from infra.demo.checkpoint.architecture import Architecture
from infra.demo.checkpoint.build import check_weights
from infra.demo.checkpoint.generation import answer_greedily
from infra.demo.checkpoint.initial import (
    initialise_language,
    initialise_resampler,
    initialise_vision,
)
from infra.demo.checkpoint.language import Language, Past
from infra.demo.checkpoint.vision import RESAMPLER_HEAD_SIZE, Resampler, VisionTower
from schemas.failure import UsageError


class MiniCPMV(nn.Module):
    """The whole model: vision tower, resampler, language model.

    Its parameters have the names and shapes of `weights.weight_shapes`.

    Args:
        architecture: Sizes; of the family ``minicpm-v-2.6``.

    Raises:
        UsageError: If the structure is another family's, or the sizes do not go together.
    """

    def __init__(self, architecture: Architecture) -> None:
        super().__init__()
        _require_structure(architecture)
        self.architecture = architecture
        self.llm = Language(architecture)
        self.vpm = VisionTower(architecture)
        self.resampler = Resampler(architecture)

    def initialise(self, seed: int) -> None:
        """Set every weight to where training starts; the same for the same seed.

        Raises:
            UsageError: If ``query_num`` is no square number.
        """
        generator = torch.Generator().manual_seed(seed)
        initialise_vision(self.vpm, generator)
        initialise_resampler(self.resampler, self.vpm.embeddings.side, generator)
        initialise_language(self.llm, generator)

    def load_weights(self, weights: Mapping[str, Tensor]) -> None:
        """Take weights under the names of `weights.weight_shapes`.

        Raises:
            UsageError: If one is missing, spare or of another shape.
        """
        check_weights(self.architecture, weights)
        self.load_state_dict(dict(weights))

    def weights(self) -> dict[str, Tensor]:
        """The weights as a checkpoint has them: bfloat16, on the CPU, copies."""
        return {
            name: weight.detach().to("cpu", torch.bfloat16, copy=True)
            for name, weight in self.state_dict().items()
        }

    def look(self, patches: Tensor, sizes: Tensor) -> Tensor:
        """What the vision tower makes of slices, before the resampler.

        Args:
            patches: (slices, most patches, 3 * p * p), padded on the right; a patch's
                values in the order channel, row, column.
            sizes: (slices, 2), integers on the CPU: rows and columns of patches.

        Returns:
            (slices, most patches, vision_hidden); what stands in padding means nothing.
        """
        return self.vpm(patches, sizes)

    def resample(self, features: Tensor, sizes: Tensor) -> Tensor:
        """Embeddings (slices, query_num, hidden) of what `look` returned."""
        return self.resampler(features, sizes)

    def see(self, patches: Tensor, sizes: Tensor) -> Tensor:
        """Embeddings (slices, query_num, hidden) of slices; see `look`."""
        return self.resample(self.look(patches, sizes), sizes)

    def embed(
        self,
        tokens: Tensor,
        image_embeddings: Tensor | None = None,
        image_places: Tensor | None = None,
    ) -> Tensor:
        """Embeddings of tokens, those of slices in their places.

        Args:
            tokens: (sequences, tokens).
            image_embeddings: (slices, query_num, hidden), in the order of their places.
            image_places: (sequences, tokens), True where a slice's embeddings go.

        Raises:
            ValueError: If the places are not as many as the embeddings.
        """
        embeddings = self.llm.model.embed_tokens(tokens)
        if image_embeddings is None or image_places is None:
            return embeddings
        flat = image_embeddings.flatten(0, -2).to(embeddings.dtype)
        places = image_places.flatten().nonzero().squeeze(1)
        if len(places) != len(flat):
            raise ValueError(f"{len(flat)} image embeddings for {len(places)} places")
        return embeddings.flatten(0, 1).index_copy(0, places, flat).view_as(embeddings)

    def prefix(self, tokens: Tensor) -> Past:
        """What the sequences of a batch have in common, computed once, with gradient.

        Args:
            tokens: (tokens,): the system turn, say. No images.
        """
        return self.llm.prefix(tokens)

    def forward(
        self,
        tokens: Tensor,
        image_embeddings: Tensor | None = None,
        image_places: Tensor | None = None,
        prefix: Past | None = None,
    ) -> Tensor:
        """Hidden states (sequences, tokens, hidden) of sequences padded on the right.

        Args:
            tokens: (sequences, tokens), without those of the prefix.
            image_embeddings: See `embed`.
            image_places: See `embed`.
            prefix: What `prefix` returned.
        """
        return self.llm(self.embed(tokens, image_embeddings, image_places), prefix)

    def logits(self, hidden: Tensor) -> Tensor:
        """Logits (..., vocabulary) of hidden states (..., hidden), all or a selection."""
        return self.llm.lm_head(hidden)

    @torch.no_grad()
    def generate(
        self,
        tokens: Tensor,
        lengths: Tensor,
        image_embeddings: Tensor | None = None,
        image_places: Tensor | None = None,
        prefix: Past | None = None,
        *,
        most: int,
        stop: Collection[int],
    ) -> list[list[int]]:
        """Answer prompts greedily.

        Args:
            tokens: (sequences, tokens), padded on the right.
            lengths: (sequences,): tokens of each that are no padding; at least one.
            image_embeddings: See `embed`.
            image_places: See `embed`.
            prefix: What precedes all of them.
            most: Most tokens of an answer.
            stop: Ids that end an answer.

        Returns:
            Each answer's ids, without the one that ended it.
        """
        embeddings = self.embed(tokens, image_embeddings, image_places)
        return answer_greedily(self.llm, embeddings, lengths, prefix, most=most, stop=stop)


def _require_structure(architecture: Architecture) -> None:
    a = architecture
    if (a.version, a.language) != (2.6, "Qwen2"):
        raise UsageError(
            f"only minicpm-v-2.6 can be trained, not {a.family} (version {a.version}, "
            f"{a.language})"
        )
    if a.heads * a.head_size != a.hidden:
        raise UsageError(
            f"{a.heads} heads of {a.head_size} do not make up the width {a.hidden}; the "
            "engine takes a head to be the width by the heads"
        )
    if a.hidden % RESAMPLER_HEAD_SIZE:
        raise UsageError(f"hidden is {a.hidden}; choose a multiple of {RESAMPLER_HEAD_SIZE}")
