"""Greedy answers, for a look at what training has brought."""

from __future__ import annotations

from collections.abc import Collection

import torch
from torch import Tensor

from infra.demo.checkpoint.language import Language, Past


def answer_greedily(
    language: Language,
    embeddings: Tensor,
    lengths: Tensor,
    prefix: Past | None,
    *,
    most: int,
    stop: Collection[int],
) -> list[list[int]]:
    """See `network.MiniCPMV.generate`; takes the prompts' embeddings, padded on the right."""
    before = prefix[0][0].shape[2] if prefix else 0
    sequences, width = embeddings.shape[:2]
    lengths = lengths.to(embeddings.device)
    hidden, past = language.extend(embeddings, prefix)
    last = hidden[torch.arange(sequences, device=embeddings.device), lengths - 1]
    visible = _visible(lengths, before, width, most)
    steps: list[Tensor] = []
    ended = torch.zeros(sequences, dtype=torch.bool, device=embeddings.device)
    stops = torch.tensor(sorted(stop), dtype=torch.long, device=embeddings.device)
    for step in range(most):
        chosen = language.lm_head(last).argmax(-1)
        steps.append(chosen)
        ended |= torch.isin(chosen, stops)
        if bool(ended.all()) or step + 1 == most:
            break
        hidden, past = language.extend(
            language.model.embed_tokens(chosen.unsqueeze(1)),
            past,
            positions=(before + lengths + step).unsqueeze(1),
            mask=visible[:, None, None, : before + width + step + 1],
        )
        last = hidden[:, 0]
    return [_until(answer, stop) for answer in torch.stack(steps, dim=1).tolist()]


def _visible(lengths: Tensor, before: int, width: int, most: int) -> Tensor:
    """What an answer may look at: all but the padding between its prompt and it."""
    index = torch.arange(before + width + most, device=lengths.device)
    return (index < before + lengths.unsqueeze(1)) | (index >= before + width)


def _until(answer: list[int], stop: Collection[int]) -> list[int]:
    ends = [index for index, token in enumerate(answer) if token in stop]
    return answer[: ends[0]] if ends else answer
