"""Weights of a tiny checkpoint: their names and shapes, and a random start."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

import torch

from infra.demo.checkpoint.architecture import Architecture

Shape = tuple[int, ...]


def weight_shapes(architecture: Architecture) -> dict[str, Shape]:
    """Name and shape of every weight, as in a published checkpoint of the family."""
    return dict(
        [
            *_language(architecture),
            *_vision(architecture),
            *_resampler(architecture),
        ]
    )


def _language(a: Architecture) -> Iterator[tuple[str, Shape]]:
    query, key_value = a.heads * a.head_size, a.key_value_heads * a.head_size
    yield "llm.model.embed_tokens.weight", (a.vocabulary, a.hidden)
    for index in range(a.layers):
        layer = f"llm.model.layers.{index}"
        for name, rows in (("q", query), ("k", key_value), ("v", key_value)):
            yield f"{layer}.self_attn.{name}_proj.weight", (rows, a.hidden)
            if a.language == "Qwen2":
                yield f"{layer}.self_attn.{name}_proj.bias", (rows,)
        yield f"{layer}.self_attn.o_proj.weight", (a.hidden, query)
        if a.language == "Qwen3":
            yield f"{layer}.self_attn.q_norm.weight", (a.head_size,)
            yield f"{layer}.self_attn.k_norm.weight", (a.head_size,)
        yield f"{layer}.mlp.gate_proj.weight", (a.intermediate, a.hidden)
        yield f"{layer}.mlp.up_proj.weight", (a.intermediate, a.hidden)
        yield f"{layer}.mlp.down_proj.weight", (a.hidden, a.intermediate)
        yield f"{layer}.input_layernorm.weight", (a.hidden,)
        yield f"{layer}.post_attention_layernorm.weight", (a.hidden,)
    yield "llm.model.norm.weight", (a.hidden,)
    yield "llm.lm_head.weight", (a.vocabulary, a.hidden)


def _vision(a: Architecture) -> Iterator[tuple[str, Shape]]:
    width, inner = a.vision_hidden, a.vision_hidden * 2
    positions = (a.scale_resolution // a.patch_size) ** 2
    yield "vpm.embeddings.patch_embedding.weight", (width, 3, a.patch_size, a.patch_size)
    yield "vpm.embeddings.patch_embedding.bias", (width,)
    yield "vpm.embeddings.position_embedding.weight", (positions, width)
    for index in range(a.vision_layers):
        layer = f"vpm.encoder.layers.{index}"
        for name in ("q_proj", "k_proj", "v_proj", "out_proj"):
            yield from _linear(f"{layer}.self_attn.{name}", width, width)
        yield from _linear(f"{layer}.mlp.fc1", inner, width)
        yield from _linear(f"{layer}.mlp.fc2", width, inner)
        yield from _norm(f"{layer}.layer_norm1", width)
        yield from _norm(f"{layer}.layer_norm2", width)
    yield from _norm("vpm.post_layernorm", width)


def _resampler(a: Architecture) -> Iterator[tuple[str, Shape]]:
    yield "resampler.query", (a.query_num, a.hidden)
    yield "resampler.proj", (a.hidden, a.hidden)
    yield "resampler.kv_proj.weight", (a.hidden, a.vision_hidden)
    yield "resampler.attn.in_proj_weight", (3 * a.hidden, a.hidden)
    yield "resampler.attn.in_proj_bias", (3 * a.hidden,)
    yield from _linear("resampler.attn.out_proj", a.hidden, a.hidden)
    for name in ("ln_q", "ln_kv", "ln_post"):
        yield from _norm(f"resampler.{name}", a.hidden)


def _linear(name: str, outputs: int, inputs: int) -> Iterator[tuple[str, Shape]]:
    yield f"{name}.weight", (outputs, inputs)
    yield f"{name}.bias", (outputs,)


def _norm(name: str, width: int) -> Iterator[tuple[str, Shape]]:
    yield f"{name}.weight", (width,)
    yield f"{name}.bias", (width,)


def random_weights(architecture: Architecture, seed: int) -> dict[str, torch.Tensor]:
    """Untrained weights, bfloat16, the same for the same seed.

    Each weight has a generator of its own, so that adding one changes no other.
    """
    return {
        name: _random_weight(name, shape, seed).to(torch.bfloat16)
        for name, shape in weight_shapes(architecture).items()
    }


def _random_weight(name: str, shape: Shape, seed: int) -> torch.Tensor:
    is_norm = "norm" in name or ".ln_" in name
    if name.endswith("bias"):
        return torch.zeros(shape)
    if is_norm:
        return torch.ones(shape)
    own_seed = hashlib.sha256(f"{seed}:{name}".encode()).digest()[:8]
    generator = torch.Generator().manual_seed(int.from_bytes(own_seed, "big") >> 1)
    fan_in = torch.Size(shape[1:]).numel()
    return torch.randn(shape, generator=generator) * fan_in**-0.5
