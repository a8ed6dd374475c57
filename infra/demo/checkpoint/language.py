"""The language model, Qwen2's structure as vLLM computes it, for training."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from infra.demo.checkpoint.architecture import Architecture
from infra.demo.checkpoint.attention import attend

EPSILON = 1e-6
ROPE_BASE = 10_000.0

KeysValues = tuple[Tensor, Tensor]
Past = list[KeysValues]
"""Each layer's keys and values of the tokens so far: (sequences, heads, tokens, size)."""


class RMSNorm(nn.Module):
    """Scale to a root mean square of one, then by the weight."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))

    def forward(self, x: Tensor) -> Tensor:
        """Normalise the last dimension."""
        return functional.rms_norm(x, x.shape[-1:], self.weight, EPSILON)


class Attention(nn.Module):
    """Every token looks at those before it; some heads share keys and values."""

    def __init__(self, architecture: Architecture) -> None:
        super().__init__()
        self.head_size = architecture.head_size
        query = architecture.heads * self.head_size
        key_value = architecture.key_value_heads * self.head_size
        self.q_proj = nn.Linear(architecture.hidden, query)
        self.k_proj = nn.Linear(architecture.hidden, key_value)
        self.v_proj = nn.Linear(architecture.hidden, key_value)
        self.o_proj = nn.Linear(query, architecture.hidden, bias=False)

    def forward(
        self, x: Tensor, turn: KeysValues, past: KeysValues | None, mask: Tensor | None
    ) -> tuple[Tensor, KeysValues]:
        """Attend to the past, if there is one, and to `x` itself.

        Args:
            x: (sequences, tokens, hidden).
            turn: Cosines and sines of the tokens' positions.
            past: Keys and values of the tokens before; of one sequence for all, or of each.
            mask: True where a token may look; None for causal.

        Returns:
            What was gathered, and the keys and values of the past and of `x`.
        """
        queries, keys, values = (
            projection(x).unflatten(-1, (-1, self.head_size)).transpose(1, 2)
            for projection in (self.q_proj, self.k_proj, self.v_proj)
        )
        queries, keys = rotate(queries, turn), rotate(keys, turn)
        if past is not None:
            keys, values = (
                torch.cat([old.expand(len(x), -1, -1, -1).to(new.dtype), new], dim=2)
                for old, new in zip(past, (keys, values), strict=True)
            )
        mixed = attend(queries, keys, values, mask, causal=mask is None)
        return self.o_proj(mixed.transpose(1, 2).flatten(2)), (keys, values)


class MLP(nn.Module):
    """The gated feed-forward part of a layer."""

    def __init__(self, width: int, inner: int) -> None:
        super().__init__()
        self.gate_proj = nn.Linear(width, inner, bias=False)
        self.up_proj = nn.Linear(width, inner, bias=False)
        self.down_proj = nn.Linear(inner, width, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Widen, gate, narrow."""
        return self.down_proj(functional.silu(self.gate_proj(x)) * self.up_proj(x))


class Layer(nn.Module):
    """One layer of the language model."""

    def __init__(self, architecture: Architecture) -> None:
        super().__init__()
        self.input_layernorm = RMSNorm(architecture.hidden)
        self.self_attn = Attention(architecture)
        self.post_attention_layernorm = RMSNorm(architecture.hidden)
        self.mlp = MLP(architecture.hidden, architecture.intermediate)

    def forward(
        self, x: Tensor, turn: KeysValues, past: KeysValues | None, mask: Tensor | None
    ) -> tuple[Tensor, KeysValues]:
        """Attention, then the feed-forward part, each added to its input."""
        gathered, kept = self.self_attn(self.input_layernorm(x), turn, past, mask)
        x = x + gathered
        return x + self.mlp(self.post_attention_layernorm(x)), kept


class Decoder(nn.Module):
    """The language model without its head."""

    def __init__(self, architecture: Architecture) -> None:
        super().__init__()
        self.embed_tokens = nn.Embedding(architecture.vocabulary, architecture.hidden)
        layers = [Layer(architecture) for _ in range(architecture.layers)]
        self.layers = nn.ModuleList(layers)
        self.norm = RMSNorm(architecture.hidden)


class Language(nn.Module):
    """The language model with its head, which is applied where one asks for it."""

    def __init__(self, architecture: Architecture) -> None:
        super().__init__()
        self.model = Decoder(architecture)
        self.lm_head = nn.Linear(architecture.hidden, architecture.vocabulary, bias=False)
        self.head_size = architecture.head_size

    def forward(
        self,
        embeddings: Tensor,
        prefix: Past | None = None,
        positions: Tensor | None = None,
        mask: Tensor | None = None,
    ) -> Tensor:
        """Hidden states, after the last norm, from which `lm_head` makes logits.

        Sequences are padded on the right. No token looks ahead, so padding changes nothing
        before it, and needs no mask.

        Args:
            embeddings: (sequences, tokens, hidden).
            prefix: What precedes: one sequence's for all, or each its own.
            positions: (sequences or 1, tokens); counted on from the prefix if None.
            mask: True where a token may look, over the prefix and the tokens; causal if
                None.
        """
        return self.extend(embeddings, prefix, positions, mask)[0]

    def extend(
        self,
        embeddings: Tensor,
        past: Past | None = None,
        positions: Tensor | None = None,
        mask: Tensor | None = None,
    ) -> tuple[Tensor, Past]:
        """As `forward`; also the keys and values with which the sequences go on."""
        before, length = past[0][0].shape[2] if past else 0, embeddings.shape[1]
        device = embeddings.device
        if positions is None:
            positions = torch.arange(before, before + length, device=device).unsqueeze(0)
        if mask is None and before:
            everything = torch.ones(length, before + length, dtype=torch.bool, device=device)
            mask = everything.tril(before)
        turn, x, kept = turns(positions, self.head_size), embeddings, []
        for index, layer in enumerate(self.model.layers):
            x, keys_values = layer(x, turn, past[index] if past else None, mask)
            kept.append(keys_values)
        return self.model.norm(x), kept

    def prefix(self, tokens: Tensor) -> Past:
        """Keys and values of tokens with which many sequences begin, with gradient.

        Args:
            tokens: (tokens,), at least one; no images among them.
        """
        return self.extend(self.model.embed_tokens(tokens.unsqueeze(0)))[1]


def turns(positions: Tensor, head_size: int) -> KeysValues:
    """Cosines and sines of the angles by which heads turn, (sequences, 1, tokens, half)."""
    steps = torch.arange(0, head_size, 2, dtype=torch.float32, device=positions.device)
    angles = positions[:, None, :, None].float() * (1.0 / ROPE_BASE ** (steps / head_size))
    return angles.cos(), angles.sin()


def rotate(x: Tensor, turn: KeysValues) -> Tensor:
    """Turn each head's first half against its second by the angles of its position."""
    cosines, sines = turn
    first, second = x.chunk(2, dim=-1)
    return torch.cat(
        [first * cosines - second * sines, second * cosines + first * sines], dim=-1
    )
