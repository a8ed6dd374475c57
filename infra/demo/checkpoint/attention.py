"""Attention, as all parts of the network compute it."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional


def attend(
    queries: Tensor, keys: Tensor, values: Tensor, mask: Tensor | None, *, causal: bool = False
) -> Tensor:
    """What each query gathers from the values, by how its keys suit it.

    On a CPU in float32, also where all else is in bfloat16: going backward through attention
    in bfloat16 takes six times as long there.

    Args:
        queries: (sequences, heads, queries, size).
        keys: (sequences, heads or fewer, keys, size); heads of queries share them in turn.
        values: Likewise.
        mask: True where a query may look; broadcast over sequences and heads.
        causal: Whether a query may look no further than itself; without a mask.
    """
    if queries.device.type == "cpu":
        queries, keys, values = queries.float(), keys.float(), values.float()
    with torch.autocast(queries.device.type, enabled=False):
        return functional.scaled_dot_product_attention(
            queries,
            keys,
            values.to(keys.dtype),
            attn_mask=mask,
            is_causal=causal,
            enable_gqa=keys.shape[1] != queries.shape[1],
        )
