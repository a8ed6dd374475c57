"""Heads that name what is seen and known; they teach, and are thrown away after training."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from infra.demo.checkpoint.architecture import Architecture
from infra.demo.lessons.asides import KNOWN
from infra.demo.training.examples import IGNORED, Slices
from infra.demo.training.labels import CLASSES, EVERYWHERE, NOTHING, PADDING

EMPTY_PATCH = 0.2
"""The weight of patches that show nothing, which are most."""

KIND_WEIGHT = 2.0
"""Of the label that takes longest to learn, beside the others."""

EMPTY_QUERY = 0.4
"""The weight of queries in whose part nothing has its centre."""


class Seeing(nn.Module):
    """Heads that name what is seen; of use in training only.

    One for the patches that leave the vision tower, one for the resampler's queries.
    """

    def __init__(self, architecture: Architecture) -> None:
        super().__init__()
        self.patches = nn.Linear(architecture.vision_hidden, sum(CLASSES.values()))
        self.queries = nn.Linear(architecture.hidden, sum(CLASSES.values()))

    def forward(self, features: Tensor, embeddings: Tensor, slices: Slices) -> Tensor:
        """The loss of a step's slices, averaged over labels.

        Args:
            features: (slices, most patches, vision_hidden).
            embeddings: (slices, queries, hidden).
            slices: Whose labels are to be found.
        """
        by_patch = _naming_loss(self.patches(features), slices.labels, EMPTY_PATCH)
        by_query = _naming_loss(self.queries(embeddings), slices.query_labels, EMPTY_QUERY)
        return by_patch + by_query


class Knowing(nn.Module):
    """A head that says what is known halfway through the language model; likewise."""

    def __init__(self, hidden: int) -> None:
        super().__init__()
        self.words = nn.Linear(hidden, len(KNOWN))

    def forward(self, halfway: Tensor, asides: Tensor) -> Tensor:
        """The mean loss over asides.

        Args:
            halfway: (sequences, tokens, hidden), between two layers.
            asides: See `Group`; at least one.
        """
        rows, places, words = asides.to(halfway.device).unbind(1)
        return self.losses(halfway[rows, places], words).mean()

    def losses(self, there: Tensor, words: Tensor) -> Tensor:
        """The loss (asides,) of each aside, from what is (asides, hidden) at its place."""
        scores = self.words(functional.rms_norm(there, there.shape[-1:])).float()
        return functional.cross_entropy(scores, words, reduction="none")


def _naming_loss(scores: Tensor, labels: Tensor, empty: float) -> Tensor:
    """The mean loss over labels; places that show nothing have the weight `empty`."""
    labels = labels.to(scores.device).long().flatten(0, 1)
    labels = labels.masked_fill(labels == PADDING, IGNORED)
    losses = []
    by_label = scores.float().flatten(0, 1).split(list(CLASSES.values()), dim=-1)
    for index, (name, one) in enumerate(zip(CLASSES, by_label, strict=True)):
        weights = torch.ones(one.shape[-1], device=one.device)
        if name not in EVERYWHERE:
            weights[NOTHING] = empty
        # PyTorch's own mean is one block's work on a GPU.
        found = labels[:, index]
        every = functional.cross_entropy(
            one, found, weights, ignore_index=IGNORED, reduction="none"
        )
        loss = every.sum() / weights[found.clamp(min=0)].masked_fill(found == IGNORED, 0).sum()
        losses.append(KIND_WEIGHT * loss if name == "kind" else loss)
    return torch.stack(losses).mean()
