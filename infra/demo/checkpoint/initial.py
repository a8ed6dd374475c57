"""How a network starts before it is trained."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from infra.demo.checkpoint.language import Language, RMSNorm
from infra.demo.checkpoint.vision import (
    RESAMPLER_HEAD_SIZE,
    Resampler,
    VisionTower,
    position_codes,
)
from schemas.failure import UsageError

POSITION_SCALE = 0.25
SHARPNESS = 2.0
"""Of the resampler's first queries and keys: with it each query keeps to its region."""

CONTENT_SCALE = 0.25
"""Of what is seen beside its place in the first keys, which place alone should decide.

The values are scaled as well; the norm after the attention makes up for that.
"""


def initialise_language(language: Language, generator: torch.Generator) -> None:
    """Random weights; what is added to the residual stream is scaled down by its depth."""
    layers = language.model.layers
    _random_linears(language, generator)
    _normal(language.model.embed_tokens.weight, language.lm_head.in_features**-0.5, generator)
    _normal(language.lm_head.weight, 0.02, generator)
    for layer in layers:
        _shrink((layer.self_attn.o_proj, layer.mlp.down_proj), len(layers))


def initialise_vision(tower: VisionTower, generator: torch.Generator) -> None:
    """Random weights; a patch's position starts as the code of its place."""
    _random_linears(tower, generator)
    embeddings, layers = tower.embeddings, tower.encoder["layers"]
    conv, table = embeddings.patch_embedding, embeddings.position_embedding.weight
    _normal(conv.weight, conv.weight[0].numel() ** -0.5, generator)
    nn.init.zeros_(conv.bias)
    codes = position_codes(embeddings.side, embeddings.side, table.shape[1])
    _set(table, POSITION_SCALE * codes.flatten(0, 1))
    for layer in layers:
        _shrink((layer.self_attn.out_proj, layer.mlp.fc2), len(layers))


def initialise_resampler(resampler: Resampler, side: int, generator: torch.Generator) -> None:
    """Start as local pooling: each query attends to its own region of the slice.

    From a random start all queries see the mean of the slice, and training does not find
    out of it.

    Args:
        resampler: What to start.
        side: Rows, and columns, of a full slice.
        generator: Of the projection from the vision tower.

    Raises:
        UsageError: If the queries are no square number.
    """
    width = resampler.proj.shape[0]
    _reset_norms(resampler)
    nn.init.orthogonal_(resampler.kv_proj.weight, generator=generator)
    _set(resampler.query, region_codes(len(resampler.query), side, width))
    nn.init.constant_(resampler.ln_kv.weight, CONTENT_SCALE)
    identity = torch.eye(width)
    # Each head takes dimensions from all over the code, so that it sees row and column.
    spread = SHARPNESS * identity.unflatten(0, (RESAMPLER_HEAD_SIZE, -1)).transpose(
        0, 1
    ).flatten(0, 1)
    _set(resampler.attn.in_proj_weight, torch.cat([spread, spread, identity]))
    _set(resampler.attn.out_proj.weight, identity)
    _set(resampler.proj, identity)
    nn.init.zeros_(resampler.attn.in_proj_bias)
    nn.init.zeros_(resampler.attn.out_proj.bias)


def regions(queries: int, side: int) -> Tensor:
    """Which query's region each patch of a full slice is in, (side, side).

    Raises:
        UsageError: If the queries are no square number.
    """
    across = math.isqrt(queries)
    if across**2 != queries:
        raise UsageError(
            f"{queries} queries cannot be laid out in a square; choose a query_num such as "
            f"{across**2} or {(across + 1) ** 2}"
        )
    line = torch.arange(side) * across // side
    return line.unsqueeze(1) * across + line


def region_codes(queries: int, side: int, width: int) -> Tensor:
    """What sets the mean code of each region apart from that of the slice."""
    codes = position_codes(side, side, width).flatten(0, 1)
    own = regions(queries, side).flatten()
    means = torch.stack([codes[own == query].mean(0) for query in range(queries)])
    return means - codes.mean(0)


def _random_linears(module: nn.Module, generator: torch.Generator) -> None:
    _reset_norms(module)
    for part in module.modules():
        if isinstance(part, nn.Linear):
            _normal(part.weight, part.in_features**-0.5, generator)
            if part.bias is not None:
                nn.init.zeros_(part.bias)


def _reset_norms(module: nn.Module) -> None:
    for part in module.modules():
        if isinstance(part, nn.LayerNorm):
            part.reset_parameters()
        elif isinstance(part, RMSNorm):
            nn.init.ones_(part.weight)


def _shrink(linears: tuple[nn.Linear, ...], layers: int) -> None:
    for linear in linears:
        _set(linear.weight, linear.weight / math.sqrt(2 * layers))


def _normal(weight: Tensor, deviation: float, generator: torch.Generator) -> None:
    # The generator's numbers are the CPU's, so that a seed means the same on every device.
    _set(weight, torch.randn(weight.shape, generator=generator) * deviation)


def _set(weight: Tensor, value: Tensor) -> None:
    with torch.no_grad():
        weight.copy_(value)
