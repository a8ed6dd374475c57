"""A network that learns, and what it keeps between one step and the next."""

from __future__ import annotations

import math
import os
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

from infra.demo.checkpoint.architecture import Architecture
from infra.demo.checkpoint.network import MiniCPMV
from infra.demo.training.examples import IGNORED, Group, Slices, Step, normalised
from infra.demo.training.heads import Knowing, Seeing
from infra.demo.training.muon import Muon
from infra.demo.training.packing import Packed

SEEING_WEIGHT = 1.0
"""Of the loss on the vision tower beside that on the answers."""

ASIDES_WEIGHT = 0.2
"""Of the loss on asides, likewise."""

SEEING_RATES = {"muon": 10.0, "adamw": 2.0}
TELLING_RATES = {"muon": 1.0, "adamw": 1.0}
"""Of each optimiser, as a multiple of the learner's.

With the rates of seeing the language model learns to write and never to look.
"""

DECAY = 0.02
"""Of matrices; tables, biases and norms do not decay."""

WARM_UP_STEPS = 100
"""In which the rate rises."""

FINAL_RATE = 0.02
"""Share of the peak rate at which training ends."""


@dataclass(frozen=True)
class Losses:
    """Of one step, on the device: nobody has to wait for them.

    Attributes:
        by_group: (groups,): per token of a group's answers.
        seeing: Without dimensions: per patch and label.
        asides: Without dimensions: per aside.
    """

    by_group: Tensor
    seeing: Tensor
    asides: Tensor

    @property
    def answers(self) -> Tensor:
        """The mean over groups: long answers must not outweigh short ones."""
        return self.by_group.mean() if len(self.by_group) else self.by_group.sum()

    @property
    def total(self) -> Tensor:
        """What is made smaller."""
        return self.answers + SEEING_WEIGHT * self.seeing + ASIDES_WEIGHT * self.asides


@dataclass(frozen=True)
class Rise:
    """Where the learning rate rises anew, and optimisers forget what went before.

    Attributes:
        first: The first step.
        height: How high it rises, as a multiple of the learner's rate.
    """

    first: int
    height: float = 1.0


@dataclass(frozen=True)
class Schedule:
    """When what learns, and how fast.

    Attributes:
        steps: Of the whole training.
        seeing_until: The step up to which vision tower and resampler learn alone; from then
            on the language model and the resampler do.
        together_from: The step from which all do.
        rises: In the order of their steps; the first is at 0.
    """

    steps: int
    seeing_until: int = 0
    together_from: int = 0
    rises: tuple[Rise, ...] = (Rise(0),)

    def share(self, step: int) -> float:
        """The learning rate of a step, as a share of the learner's.

        It goes up in a line, then down in half a cosine until the next rise.
        """
        ends = (*(rise.first for rise in self.rises[1:]), self.steps)
        spans = list(zip(self.rises, ends, strict=True))
        rise, end = next((r, e) for r, e in spans if step < e or e == self.steps)
        begun = step - rise.first
        warm = min((begun + 1) / WARM_UP_STEPS, 1.0)
        fall = (1 + math.cos(math.pi * min(begun / (end - rise.first), 1.0))) / 2
        return rise.height * warm * (FINAL_RATE + (1 - FINAL_RATE) * fall)


class Learner:
    """A network, its heads and its optimiser.

    Args:
        architecture: Sizes.
        seed: Of the first weights.
        schedule: When what learns.
        peak_rate: Highest rate.
    """

    def __init__(
        self, architecture: Architecture, seed: int, schedule: Schedule, peak_rate: float
    ) -> None:
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        # cuDNN plans anew for every shape, and of shapes there is no end: four times the time.
        torch.backends.cuda.enable_cudnn_sdp(False)
        self.network = MiniCPMV(architecture)
        self.network.initialise(seed)
        torch.manual_seed(seed)
        self.seeing, self.knowing = Seeing(architecture), Knowing(architecture.hidden)
        self.schedule, self.peak_rate, self.done = schedule, peak_rate, 0
        parts = [self.network, self.seeing, self.knowing]
        self._modules = nn.ModuleList(parts).to(self.device)
        self.optimisers = self._optimisers()
        self._halfway = torch.empty(0)
        layers = self.network.llm.model.layers
        layers[(len(layers) - 1) // 2].register_forward_hook(self._keep_halfway)

    def _keep_halfway(
        self, layer: nn.Module, given: object, out: tuple[Tensor, object]
    ) -> None:
        self._halfway = out[0]

    def _optimisers(self) -> dict[str, torch.optim.Optimizer]:
        """Muon for what maps vectors to vectors; AdamW for tables, heads, biases and norms.

        Of both the mean square of a step's change is the rate's: Muon's is scaled to AdamW's.
        """
        inner = [
            self.network.llm.model.layers,
            self.network.vpm.encoder,
            self.network.resampler,
        ]
        matrices = [
            module.weight
            for part in inner
            for module in part.modules()
            if isinstance(module, nn.Linear)
        ]
        matrices += [self.network.resampler.attn.in_proj_weight, self.network.resampler.proj]
        chosen = {id(matrix) for matrix in matrices}
        others = [one for one in self._modules.parameters() if id(one) not in chosen]
        return {
            "muon": Muon(matrices, weight_decay=DECAY),
            "adamw": torch.optim.AdamW(others, betas=(0.9, 0.98), weight_decay=0.0, fused=True),
        }

    @property
    def rate(self) -> float:
        """The learning rate of the next step."""
        return self.peak_rate * self.schedule.share(self.done)

    @property
    def looks_better(self) -> bool:
        """Whether the vision tower learns from the next step; the resampler always does."""
        schedule = self.schedule
        return self.done < schedule.seeing_until or self.done >= schedule.together_from

    def learn(self, step: Step | Packed) -> Losses:
        """Take one step."""
        if any(self.done == rise.first for rise in self.schedule.rises):
            self.optimisers = self._optimisers()
        rates = SEEING_RATES if self.done < self.schedule.seeing_until else TELLING_RATES
        for name, optimiser in self.optimisers.items():
            for settings in optimiser.param_groups:
                settings["lr"] = self.rate * rates[name]
        with mixed(self.device):
            losses = self.losses(step)
        losses.total.backward()
        nn.utils.clip_grad_norm_(self._modules.parameters(), 1.0)
        for optimiser in self.optimisers.values():
            optimiser.step()
            optimiser.zero_grad(set_to_none=True)
        self.done += 1
        return Losses(
            *(one.detach() for one in (losses.by_group, losses.seeing, losses.asides))
        )

    def losses(self, step: Step | Packed) -> Losses:
        """A step's losses, with gradient."""
        embeddings, seeing = self._see(step.slices)
        if isinstance(step, Packed):
            return self._packed_losses(step.to(self.device), embeddings, seeing)
        told, known, start = [], [], 0
        for group in step.groups:
            told.append(self._group_loss(group, embeddings[start : start + group.slices]))
            if len(group.asides):
                known.append(self.knowing(self._halfway, group.asides))
            start += group.slices
        nothing = torch.zeros(0, device=self.device)
        asides = torch.stack(known).mean() if known else nothing.sum()
        return Losses(torch.stack(told) if told else nothing, seeing, asides)

    def _see(self, slices: Slices | None) -> tuple[Tensor, Tensor]:
        """Embeddings of all slices, and the loss on what is seen in them."""
        if slices is None:
            return torch.empty(0), torch.zeros((), device=self.device)
        pixels = normalised(slices.patches.to(self.device))
        with torch.set_grad_enabled(self.looks_better):
            features = self.network.look(pixels, slices.sizes)
        embeddings = self.network.resample(features, slices.sizes)
        return embeddings, self.seeing(features, embeddings, slices)

    def _group_loss(self, group: Group, embeddings: Tensor) -> Tensor:
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
        return functional.cross_entropy(logits, targets)

    def _packed_losses(self, step: Packed, embeddings: Tensor, seeing: Tensor) -> Losses:
        by_group = torch.zeros(len(step.tasks), device=self.device)
        asides = torch.zeros((), device=self.device)
        for batch in step.batches:
            embedded = self.network.llm.model.embed_tokens(batch.tokens)
            if len(batch.image_places):
                seen = embeddings.flatten(0, 1)[batch.embeddings].to(embedded.dtype)
                flat = embedded.flatten(0, 1).index_copy(0, batch.image_places, seen)
                embedded = flat.view_as(embedded)
            hidden = self.network.llm(embedded).flatten(0, 1)
            logits = self.network.logits(hidden[batch.asked]).float()
            losses = functional.cross_entropy(logits, batch.targets, reduction="none")
            by_group = by_group.index_add(0, batch.groups, losses * batch.weights)
            there = self._halfway.flatten(0, 1)[batch.aside_places]
            known = self.knowing.losses(there, batch.words)
            asides = asides + (known * batch.aside_weights).sum()
        return Losses(by_group, seeing, asides)

    def save(self, path: Path) -> None:
        """Write all that is needed to go on; never half of it."""
        state = {
            "network": self.network.state_dict(),
            "seeing": self.seeing.state_dict(),
            "knowing": self.knowing.state_dict(),
            "optimisers": {name: one.state_dict() for name, one in self.optimisers.items()},
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
        self.knowing.load_state_dict(state["knowing"])
        for name, optimiser in self.optimisers.items():
            optimiser.load_state_dict(state["optimisers"][name])
        self.done = state["done"]


def mixed(device: torch.device) -> torch.autocast:
    """Multiply in bfloat16 where the hardware does: on GPUs and on CPUs with AVX-512 BF16."""
    fast = device.type != "cpu" or torch.cpu._is_avx512_bf16_supported()
    return torch.autocast(device.type, torch.bfloat16, enabled=fast)
