"""Steps for a GPU: few large batches in place of many small ones.

A CPU saves work by computing once what the sequences of a group begin with. A GPU is kept
busy by large batches, so here every sequence is whole, and those of like length are a batch.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace

import torch
from torch import Tensor, nn
from torch.nn import functional

from infra.demo.training.examples import IGNORED, Group, Slices, Step

BATCH_COST = 16_000
"""What one more batch costs a GPU, in tokens of padding that it could have computed."""

WIDTHS = 64
"""Batches are multiples of so many tokens wide, so that few shapes come up."""

GRAIN = 16
"""Lengths are told apart by so many tokens."""


@dataclass(frozen=True)
class Batch:
    """Whole sequences of about the same length.

    Places are numbers into (sequences * tokens,).

    Attributes:
        tokens: (sequences, tokens), padded on the right.
        image_places: (embeddings,): places of slices' embeddings.
        embeddings: Likewise: which embeddings these are, in (slices * queries,) of the step.
        asked: (targets,): places of which an answer's next token is to be told.
        targets: Likewise, that token.
        groups: Likewise, the number of its group.
        weights: Likewise, its share in the loss of its group.
        aside_places: (asides,): places at which something is known.
        words: Likewise, what, as a place in `KNOWN`.
        aside_weights: Likewise, its share in the loss on asides: all groups count alike.
    """

    tokens: Tensor
    image_places: Tensor
    embeddings: Tensor
    asked: Tensor
    targets: Tensor
    groups: Tensor
    weights: Tensor
    aside_places: Tensor
    words: Tensor
    aside_weights: Tensor

    def to(self, device: torch.device) -> Batch:
        """The same on a device."""
        return Batch(*(getattr(self, field.name).to(device) for field in fields(self)))


@dataclass(frozen=True)
class Packed:
    """A step as a GPU takes it.

    Attributes:
        batches: All sequences of the step.
        slices: All slices.
        tasks: Of each group, by its number.
    """

    batches: list[Batch]
    slices: Slices | None
    tasks: tuple[str, ...]

    def to(self, device: torch.device) -> Packed:
        """The same on a device; the slices' sizes stay where they are asked for, on the CPU."""
        slices = self.slices and replace(
            self.slices,
            patches=self.slices.patches.to(device),
            labels=self.slices.labels.to(device),
            query_labels=self.slices.query_labels.to(device),
        )
        return Packed([batch.to(device) for batch in self.batches], slices, self.tasks)


@dataclass(frozen=True)
class _Sequence:
    tokens: Tensor
    image_places: Tensor
    first_embedding: int
    asked: Tensor
    targets: Tensor
    group: int
    weight: float
    aside_places: Tensor
    words: Tensor
    aside_weight: float


def pack(step: Step) -> Packed:
    """Lay out a step's sequences in batches of like length."""
    with_asides = sum(1 for group in step.groups if len(group.asides))
    sequences: list[_Sequence] = []
    first = 0
    for number, group in enumerate(step.groups):
        sequences += _sequences(group, number, with_asides, first)
        first += int(group.image_places.sum())
    if not sequences:
        return Packed([], step.slices, ())
    sequences.sort(key=lambda one: len(one.tokens))
    cuts = best_cuts([len(one.tokens) for one in sequences])
    batches = [
        _batch(sequences[start:end])
        for start, end in zip([0, *cuts], [*cuts, None], strict=True)
    ]
    return Packed(batches, step.slices, step.tasks)


def best_cuts(lengths: Sequence[int]) -> list[int]:
    """Where to cut sorted lengths so that padding and batches cost least.

    Args:
        lengths: Of sequences, in tokens, rising; at least one.

    Returns:
        Numbers of sequences with which a batch begins, the first one's not among them.
    """
    starts = [
        number
        for number, length in enumerate(lengths)
        if not number or length // GRAIN != lengths[number - 1] // GRAIN
    ]
    bounds = [*starts, len(lengths)]
    # best[n]: least cost of all before bounds[n], and where the last batch of it begins.
    best: list[tuple[int, int]] = [(0, 0)]
    for end in range(1, len(bounds)):
        longest = lengths[bounds[end] - 1]
        best.append(
            min(
                (best[start][0] + BATCH_COST + longest * (bounds[end] - bounds[start]), start)
                for start in range(end)
            )
        )
    cuts, at = [], len(bounds) - 1
    while at:
        at = best[at][1]
        cuts.append(bounds[at])
    return cuts[-2::-1]


def _sequences(group: Group, number: int, with_asides: int, first: int) -> list[_Sequence]:
    """The sequences of a group, whole; `first` is the number of its first embedding."""
    before = len(group.prefix)
    answered = int((group.targets != IGNORED).sum())
    made = []
    for row, tokens in enumerate(group.tokens):
        asked = (group.targets[row] != IGNORED).nonzero().squeeze(1)
        image_places = group.image_places[row].nonzero().squeeze(1)
        asides = group.asides[group.asides[:, 0] == row]
        made.append(
            _Sequence(
                torch.cat([group.prefix, tokens[: int(asked[-1]) + 1]]),
                image_places + before,
                first,
                asked + before,
                group.targets[row][asked],
                number,
                1 / answered,
                asides[:, 1] + before,
                asides[:, 2],
                1 / (with_asides * len(group.asides)) if len(group.asides) else 0.0,
            )
        )
        first += len(image_places)
    return made


def _batch(sequences: Sequence[_Sequence]) -> Batch:
    tokens = nn.utils.rnn.pad_sequence([one.tokens for one in sequences], batch_first=True)
    tokens = functional.pad(tokens, (0, -tokens.shape[1] % WIDTHS))
    width = tokens.shape[1]

    def flat(places: Sequence[Tensor]) -> Tensor:
        return torch.cat([one + row * width for row, one in enumerate(places)])

    def each(values: Sequence[float | int], places: Sequence[Tensor]) -> Tensor:
        counts = torch.tensor([len(one) for one in places])
        return torch.tensor(values).repeat_interleave(counts)

    asked = [one.asked for one in sequences]
    asides = [one.aside_places for one in sequences]
    return Batch(
        tokens,
        flat([one.image_places for one in sequences]),
        torch.cat(
            [torch.arange(len(one.image_places)) + one.first_embedding for one in sequences]
        ),
        flat(asked),
        torch.cat([one.targets for one in sequences]),
        each([one.group for one in sequences], asked),
        each([one.weight for one in sequences], asked),
        flat(asides),
        torch.cat([one.words for one in sequences]),
        each([one.aside_weight for one in sequences], asides),
    )
