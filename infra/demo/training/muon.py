"""Muon, for many small matrices at once."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor

COEFFICIENTS = (3.4445, -4.7750, 2.0315)
STEPS = 5
MOMENTUM = 0.95
EPSILON = 1e-7
RMS = 0.2
"""The root mean square of AdamW's changes, to which Muon's are scaled."""


class Muon(torch.optim.Optimizer):
    """As `torch.optim.Muon` that matches AdamW's changes, matrices of a shape together.

    A small network has dozens of matrices and few shapes: one by one they keep a GPU waiting
    for two thousand launches a step. The algorithm is Keller Jordan's: momentum, made
    orthogonal by five Newton-Schulz iterations in bfloat16.

    Args:
        matrices: All two-dimensional.
        lr: Rate, as AdamW's.
        weight_decay: Decoupled.
    """

    def __init__(
        self, matrices: Iterable[Tensor], lr: float = 1e-3, weight_decay: float = 0.0
    ) -> None:
        super().__init__(matrices, {"lr": lr, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:
        """Change every matrix that has a gradient."""
        for settings in self.param_groups:
            alike: dict[torch.Size, list[Tensor]] = defaultdict(list)
            for matrix in settings["params"]:
                if matrix.grad is not None:
                    alike[matrix.shape].append(matrix)
            for shape, matrices in alike.items():
                torch._foreach_mul_(matrices, 1 - settings["lr"] * settings["weight_decay"])
                self._change(matrices, settings["lr"] * RMS * math.sqrt(max(shape)))

    def _change(self, matrices: list[Tensor], rate: float) -> None:
        gradients = [matrix.grad for matrix in matrices]
        for matrix in matrices:
            if "momentum" not in self.state[matrix]:
                self.state[matrix]["momentum"] = torch.zeros_like(matrix)
        momenta = [self.state[matrix]["momentum"] for matrix in matrices]
        torch._foreach_lerp_(momenta, gradients, 1 - MOMENTUM)
        ahead = torch._foreach_lerp(gradients, momenta, MOMENTUM)
        changes = orthogonal(torch.stack(list(ahead))).to(matrices[0].dtype)
        torch._foreach_add_(matrices, list(changes.unbind()), alpha=-rate)


def orthogonal(matrices: Tensor) -> Tensor:
    """The nearly orthogonal matrices (..., rows, columns) next to some, in bfloat16."""
    tall = matrices.shape[-2] > matrices.shape[-1]
    x = (matrices.mT if tall else matrices).bfloat16()
    x = x / x.norm(dim=(-2, -1), keepdim=True).clamp(min=EPSILON)
    a, b, c = COEFFICIENTS
    for _ in range(STEPS):
        gram = x @ x.mT
        x = a * x + (b * gram + c * gram @ gram) @ x
    return x.mT if tall else x
