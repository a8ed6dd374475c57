"""The vision tower and the resampler, as vLLM computes them, for training."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from infra.demo.checkpoint.architecture import Architecture
from infra.demo.checkpoint.attention import attend

EPSILON = 1e-6
RESAMPLER_HEAD_SIZE = 128


class PatchEmbeddings(nn.Module):
    """Patches to features, plus what stands for their place in the slice."""

    def __init__(self, architecture: Architecture) -> None:
        super().__init__()
        width, side = architecture.vision_hidden, architecture.patch_size
        self.side = architecture.scale_resolution // side
        self.patch_embedding = nn.Conv2d(3, width, kernel_size=side, stride=side)
        self.position_embedding = nn.Embedding(self.side**2, width)

    def forward(self, patches: Tensor, sizes: Tensor) -> Tensor:
        """Embed patches (slices, patches, 3 * p * p) of slices of `sizes`.

        The convolution steps from patch to patch, so it is a product of matrices.
        """
        conv = self.patch_embedding
        features = functional.linear(patches, conv.weight.flatten(1), conv.bias)
        places = self.places(sizes, patches.shape[1]).to(patches.device)
        return features + self.position_embedding(places)

    def places(self, sizes: Tensor, most_patches: int) -> Tensor:
        """Row of the position table of every patch: where it lies in the table's square.

        A slice of any shape is stretched over the whole square. The arithmetic is in
        float32, whose rounding decides the bucket of a patch on a boundary.
        """
        rows, columns = (sizes[:, axis].clamp(min=1).unsqueeze(1) for axis in (0, 1))
        index = torch.arange(most_patches).unsqueeze(0)
        boundaries = torch.arange(1 / self.side, 1.0, 1 / self.side)
        row = torch.bucketize((index // columns) / rows, boundaries, right=True)
        column = torch.bucketize((index % columns) / columns, boundaries, right=True)
        return torch.where(index < rows * columns, row * self.side + column, 0)


class VisionAttention(nn.Module):
    """Every patch of a slice looks at every other."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.q_proj = nn.Linear(width, width)
        self.k_proj = nn.Linear(width, width)
        self.v_proj = nn.Linear(width, width)
        self.out_proj = nn.Linear(width, width)

    def forward(self, x: Tensor, mask: Tensor | None) -> Tensor:
        """Attend; `mask` (slices, 1, 1, patches) is True where a patch is real."""
        queries, keys, values = (
            projection(x).unflatten(-1, (self.heads, -1)).transpose(1, 2)
            for projection in (self.q_proj, self.k_proj, self.v_proj)
        )
        mixed = attend(queries, keys, values, mask)
        return self.out_proj(mixed.transpose(1, 2).flatten(2))


class VisionMLP(nn.Module):
    """The feed-forward part of a vision layer."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(width, 2 * width)
        self.fc2 = nn.Linear(2 * width, width)

    def forward(self, x: Tensor) -> Tensor:
        """Widen, bend, narrow."""
        return self.fc2(functional.gelu(self.fc1(x), approximate="tanh"))


class VisionLayer(nn.Module):
    """One layer of the vision tower."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.layer_norm1 = nn.LayerNorm(width, eps=EPSILON)
        self.self_attn = VisionAttention(width, heads)
        self.layer_norm2 = nn.LayerNorm(width, eps=EPSILON)
        self.mlp = VisionMLP(width)

    def forward(self, x: Tensor, mask: Tensor | None) -> Tensor:
        """Attention, then the feed-forward part, each added to its input."""
        x = x + self.self_attn(self.layer_norm1(x), mask)
        return x + self.mlp(self.layer_norm2(x))


class VisionTower(nn.Module):
    """Patches to features: SigLIP's structure, for slices of any shape."""

    def __init__(self, architecture: Architecture) -> None:
        super().__init__()
        width, heads = architecture.vision_hidden, architecture.vision_heads
        self.embeddings = PatchEmbeddings(architecture)
        layers = [VisionLayer(width, heads) for _ in range(architecture.vision_layers)]
        self.encoder = nn.ModuleDict({"layers": nn.ModuleList(layers)})
        self.post_layernorm = nn.LayerNorm(width, eps=EPSILON)

    def forward(self, patches: Tensor, sizes: Tensor) -> Tensor:
        """See `network.MiniCPMV.look`."""
        x = self.embeddings(patches, sizes)
        real = real_patches(sizes, patches.shape[1])
        mask = None if real is None else real[:, None, None].to(patches.device)
        for layer in self.encoder["layers"]:
            x = layer(x, mask)
        return self.post_layernorm(x)


class Resampler(nn.Module):
    """A slice's features to `query_num` embeddings of the language model's width."""

    position_table: Tensor

    def __init__(self, architecture: Architecture) -> None:
        super().__init__()
        width = architecture.hidden
        self.query = nn.Parameter(torch.empty(architecture.query_num, width))
        self.proj = nn.Parameter(torch.empty(width, width))
        self.kv_proj = nn.Linear(architecture.vision_hidden, width, bias=False)
        # Holds the weights under the names of a checkpoint; `forward` computes with them.
        self.attn = nn.MultiheadAttention(width, width // RESAMPLER_HEAD_SIZE)
        self.ln_q = nn.LayerNorm(width, eps=EPSILON)
        self.ln_kv = nn.LayerNorm(width, eps=EPSILON)
        self.ln_post = nn.LayerNorm(width, eps=EPSILON)
        table = position_codes(70, 70, width)
        self.register_buffer("position_table", table, persistent=False)

    def forward(self, features: Tensor, sizes: Tensor) -> Tensor:
        """See `network.MiniCPMV.resample`."""
        queries, keys, values = self._parts(features, sizes)
        mask = real_patches(sizes, features.shape[1])
        looked = None if mask is None else mask[:, None, None].to(features.device)
        mixed = attend(queries, keys, values, looked)
        gathered = self.attn.out_proj(mixed.transpose(1, 2).flatten(2))
        return functional.linear(self.ln_post(gathered), self.proj.T)

    def attention(self, features: Tensor, sizes: Tensor) -> Tensor:
        """How much each query attends to each patch: (slices, heads, queries, patches)."""
        queries, keys, _ = self._parts(features, sizes)
        scores = queries @ keys.transpose(-1, -2) * RESAMPLER_HEAD_SIZE**-0.5
        mask = real_patches(sizes, features.shape[1])
        if mask is not None:
            scores = scores.masked_fill(~mask[:, None, None].to(scores.device), -torch.inf)
        return scores.softmax(-1)

    def _parts(self, features: Tensor, sizes: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Queries, keys and values, each (slices, heads, length, head size)."""
        seen = self.ln_kv(self.kv_proj(features))
        placed = seen + self._codes(sizes, features.shape[1])
        asked = self.ln_q(self.query).unsqueeze(0)
        weights, biases = (
            whole.chunk(3) for whole in (self.attn.in_proj_weight, self.attn.in_proj_bias)
        )
        queries, keys, values = (
            functional.linear(x, weight, bias)
            .unflatten(-1, (-1, RESAMPLER_HEAD_SIZE))
            .transpose(1, 2)
            for x, weight, bias in zip((asked, placed, seen), weights, biases, strict=True)
        )
        return queries.expand(len(features), -1, -1, -1), keys, values

    def _codes(self, sizes: Tensor, most_patches: int) -> Tensor:
        rows, columns = sizes.amax(0).tolist()
        if max(rows, columns) > len(self.position_table):
            length = max(rows, columns)
            table = position_codes(length, length, self.position_table.shape[-1])
            self.position_table = table.to(self.position_table.device)
        if real_patches(sizes, most_patches) is None and (sizes == sizes[0]).all():
            return self.position_table[:rows, :columns].flatten(0, 1)
        index = torch.arange(most_patches).unsqueeze(0)
        width = sizes[:, 1].clamp(min=1).unsqueeze(1)
        inside = index < sizes.prod(1, keepdim=True)
        row, column = (torch.where(inside, x, 0) for x in (index // width, index % width))
        device = self.position_table.device
        return self.position_table[row.to(device), column.to(device)]


def real_patches(sizes: Tensor, most_patches: int) -> Tensor | None:
    """Which patches are no padding, (slices, most_patches); None if all are."""
    counts = sizes.prod(1)
    if bool((counts == most_patches).all()):
        return None
    return torch.arange(most_patches).unsqueeze(0) < counts.unsqueeze(1)


def position_codes(rows: int, columns: int, width: int) -> Tensor:
    """Codes of the places of a grid, (rows, columns, width).

    The first half of a code stands for the column, the second for the row; each half is
    sines, then cosines, of the place at falling frequencies.
    """
    # NumPy's order of operations, in which vLLM makes its table.
    omega = 1.0 / 10000 ** (torch.arange(width // 4, dtype=torch.float32) / (width / 4))
    angles = torch.arange(max(rows, columns), dtype=torch.float32).unsqueeze(1) * omega
    codes = torch.cat([angles.sin(), angles.cos()], dim=1)
    by_column = codes[None, :columns].expand(rows, -1, -1)
    by_row = codes[:rows, None].expand(-1, columns, -1)
    return torch.cat([by_column, by_row], dim=2)
