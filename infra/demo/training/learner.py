"""A network that learns, and what it keeps between one step and the next."""

from __future__ import annotations

import math
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from infra.demo.checkpoint.architecture import Architecture
from infra.demo.checkpoint.network import MiniCPMV
from infra.demo.training.examples import IGNORED, Group, Step, normalised
from infra.demo.training.labels import CLASSES, NOTHING

SEEING_WEIGHT = 1.0
"""Of the loss on the vision tower beside that on the answers."""

EMPTY_WEIGHT = 0.2
"""Of patches that show nothing, which are most."""

WARM_UP_STEPS = 200
"""In which the rate rises."""

FINAL_RATE = 0.02
"""Share of the peak rate at which training ends."""


@dataclass(frozen=True)
class Losses:
    """Of one step: per token of the answers, and per patch and label."""

    answers: float
    seeing: float


class Seeing(nn.Module):
    """Heads that name what a patch shows; of use in training only."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.head = nn.Linear(width, sum(CLASSES.values()))

    def forward(self, features: Tensor, labels: Tensor) -> Tensor:
        """The loss a patch (slices, patches, width), averaged over labels."""
        logits = self.head(features).float().split(list(CLASSES.values()), dim=-1)
        losses = []
        for index, (name, scores) in enumerate(zip(CLASSES, logits, strict=True)):
            wanted = labels[..., index].long()
            each = functional.cross_entropy(
                scores.flatten(0, -2), wanted.flatten(), reduction="none"
            )
            weight = torch.ones_like(each)
            if name != "background":
                weight[wanted.flatten() == NOTHING] = EMPTY_WEIGHT
            losses.append((each * weight).sum() / weight.sum())
        return torch.stack(losses).mean()


class Learner:
    """A network, its heads and its optimiser.

    Args:
        architecture: Sizes.
        seed: Of the first weights.
        steps: After so many the rate has come down.
        peak_rate: Highest rate.
        seeing_until: The step up to which only the vision tower learns.
    """

    def __init__(
        self,
        architecture: Architecture,
        seed: int,
        steps: int,
        peak_rate: float,
        seeing_until: int = 0,
    ) -> None:
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self.network = MiniCPMV(architecture)
        self.network.initialise(seed)
        torch.manual_seed(seed)
        self.seeing = Seeing(architecture.vision_hidden)
        self.steps, self.peak_rate, self.done = steps, peak_rate, 0
        self.seeing_until = seeing_until
        self._modules = nn.ModuleList([self.network, self.seeing]).to(self.device)
        self.optimiser = torch.optim.AdamW(
            self._by_decay(), lr=peak_rate, betas=(0.9, 0.98), fused=True
        )

    def _by_decay(self) -> list[dict[str, Any]]:
        """Matrices decay, biases and norms do not."""
        parameters = list(self._modules.parameters())
        return [
            {"params": [p for p in parameters if p.ndim > 1], "weight_decay": 0.02},
            {"params": [p for p in parameters if p.ndim <= 1], "weight_decay": 0.0},
        ]

    @property
    def rate(self) -> float:
        """The learning rate of the next step: up in a line, then down in half a cosine."""
        # When the answers begin, most weights learn for the first time.
        begun = self.done if self.done < self.seeing_until else self.done - self.seeing_until
        warm = min((begun + 1) / WARM_UP_STEPS, 1.0)
        fall = (1 + math.cos(math.pi * min(self.done / self.steps, 1.0))) / 2
        return self.peak_rate * warm * (FINAL_RATE + (1 - FINAL_RATE) * fall)

    def learn(self, step: Step) -> Losses:
        """Take one step."""
        for settings in self.optimiser.param_groups:
            settings["lr"] = self.rate
        with mixed(self.device):
            answers, seeing = self.losses(step)
        (answers + SEEING_WEIGHT * seeing).backward()
        nn.utils.clip_grad_norm_(self._modules.parameters(), 1.0)
        self.optimiser.step()
        self.optimiser.zero_grad(set_to_none=True)
        self.done += 1
        return Losses(answers.item(), seeing.item())

    def losses(self, step: Step) -> tuple[Tensor, Tensor]:
        """The answers' loss a token, and the vision tower's a patch."""
        embeddings, seeing = self._see(step)
        if not step.groups:
            return torch.zeros((), device=self.device), seeing
        total, tokens, start = torch.zeros((), device=self.device), 0, 0
        for group in step.groups:
            loss, count = self._group_loss(group, embeddings[start : start + group.slices])
            total, tokens, start = total + loss, tokens + count, start + group.slices
        return total / tokens, seeing

    def _see(self, step: Step) -> tuple[Tensor, Tensor]:
        """Embeddings of all slices in order, and the loss of the vision tower."""
        parts, places, losses, count = [], [], [], 0
        for slices in step.slices:
            sizes = torch.tensor([slices.grid] * len(slices.places))
            pixels = normalised(slices.patches.to(self.device))
            features = self.network.look(pixels, sizes)
            loss = self.seeing(features, slices.labels.to(self.device))
            losses.append(loss * len(slices.places))
            count += len(slices.places)
            if step.groups:
                parts.append(self.network.resample(features, sizes))
                places.append(slices.places)
        if not step.slices:
            return torch.empty(0), torch.zeros((), device=self.device)
        if not step.groups:
            return torch.empty(0), torch.stack(losses).sum() / count
        order = torch.cat(places).argsort().to(self.device)
        return torch.cat(parts)[order], torch.stack(losses).sum() / count

    def _group_loss(self, group: Group, embeddings: Tensor) -> tuple[Tensor, int]:
        prefix = self.network.prefix(group.prefix.to(self.device))
        hidden = self.network(
            group.tokens.to(self.device),
            embeddings if group.slices else None,
            group.image_places.to(self.device),
            prefix,
        )
        asked = (group.targets != IGNORED).to(self.device)
        logits = self.network.logits(hidden[asked]).float()
        targets = group.targets.to(self.device)[asked]
        return functional.cross_entropy(logits, targets, reduction="sum"), len(targets)

    def save(self, path: Path) -> None:
        """Write all that is needed to go on; never half of it."""
        state = {
            "network": self.network.state_dict(),
            "seeing": self.seeing.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "done": self.done,
        }
        fresh = path.with_suffix(".new")
        torch.save(state, fresh)
        os.replace(fresh, path)

    def resume(self, path: Path) -> None:
        """Go on from where `save` was called."""
        state = torch.load(path, map_location=self.device, weights_only=True)
        self.network.load_state_dict(state["network"])
        self.seeing.load_state_dict(state["seeing"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.done = state["done"]


def mixed(device: torch.device) -> torch.autocast:
    """Multiply in bfloat16 where that is faster: on every GPU, and on few CPUs."""
    return torch.autocast(device.type, torch.bfloat16, enabled=device.type == "cuda")
