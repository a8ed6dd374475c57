"""Attention, as all parts of the network compute it."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional


def attend(
    queries: Tensor, keys: Tensor, values: Tensor, mask: Tensor | None, *, causal: bool = False
) -> Tensor:
    """What each query gathers from the values, by how its keys suit it.

    PyTorch's own attention goes backward in bfloat16 six times more slowly than in float32 on a
    CPU, so that there the products are spelled out where precisions are mixed: that takes half
    to two thirds of the time of float32.

    Args:
        queries: (sequences, heads, queries, size).
        keys: (sequences, heads or fewer, keys, size); heads of queries share them in turn.
        values: Likewise.
        mask: True where a query may look; broadcast over sequences and heads.
        causal: Whether a query may look no further than itself; without a mask.
    """
    if queries.device.type == "cpu" and torch.is_autocast_enabled("cpu"):
        if mask is None and causal:
            mask = torch.ones(queries.shape[2], keys.shape[2], dtype=torch.bool).tril()
        with torch.autocast("cpu", enabled=False):
            return _spelled_out(queries, keys, values, mask)
    if torch.is_autocast_enabled(queries.device.type):
        # What turned the heads is float32, and in that a GPU has no fast attention.
        queries, keys = queries.bfloat16(), keys.bfloat16()
    with torch.autocast(queries.device.type, enabled=False):
        return functional.scaled_dot_product_attention(
            queries,
            keys,
            values.to(keys.dtype),
            attn_mask=mask,
            is_causal=causal,
            enable_gqa=keys.shape[1] != queries.shape[1],
        )


def _spelled_out(queries: Tensor, keys: Tensor, values: Tensor, mask: Tensor | None) -> Tensor:
    """Two products in bfloat16 and a softmax in float32."""
    shared = queries.shape[1] // keys.shape[1]
    queries, keys, values = (one.bfloat16() for one in (queries, keys, values))
    if shared > 1:
        keys, values = (one.repeat_interleave(shared, dim=1) for one in (keys, values))
    scores = (queries @ keys.transpose(-1, -2)).float() * queries.shape[-1] ** -0.5
    if mask is not None:
        scores = scores.masked_fill(~mask, torch.finfo(scores.dtype).min)
    return scores.softmax(-1).bfloat16() @ values
