"""A network that learns, and what it keeps between one step and the next."""

from __future__ import annotations

import math
import os
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

from infra.demo.checkpoint.architecture import Architecture
from infra.demo.checkpoint.network import MiniCPMV
from infra.demo.lessons.asides import KNOWN
from infra.demo.training.examples import IGNORED, Group, Slices, Step, normalised
from infra.demo.training.labels import CLASSES, EVERYWHERE, NOTHING, PADDING

SEEING_WEIGHT = 1.0
"""Of the loss on the vision tower beside that on the answers."""

ASIDES_WEIGHT = 0.2
"""Of the loss on asides, likewise."""

EMPTY_PATCH = 0.2
"""The weight of patches that show nothing, which are most."""

KIND_WEIGHT = 2.0
"""Of the label that takes longest to learn, beside the others."""

EMPTY_QUERY = 0.4
"""The weight of queries in whose part nothing has its centre."""

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
    """Of one step: per token of the answers, per patch and label, per aside."""

    answers: float
    seeing: float
    asides: float


@dataclass(frozen=True)
class Schedule:
    """When what learns, and how fast.

    Attributes:
        steps: Of the whole training.
        seeing_until: The step up to which vision tower and resampler learn alone; from then
            on the language model and the resampler do.
        together_from: The step from which all do.
        anew_at: Steps from which the learning rate rises and falls anew, and optimisers
            have forgotten what went before; the first is 0.
    """

    steps: int
    seeing_until: int = 0
    together_from: int = 0
    anew_at: tuple[int, ...] = (0,)

    def part_of(self, step: int) -> tuple[int, int]:
        """The part of the training, between two such steps, in which a step is."""
        bounds = (*self.anew_at, self.steps)
        return next((a, b) for a, b in pairwise(bounds) if step < b or b == self.steps)


class Seeing(nn.Module):
    """Heads that name what is seen; of use in training only.

    One for the patches that leave the vision tower, one for the resampler's queries.
    """

    def __init__(self, architecture: Architecture) -> None:
        super().__init__()
        self.patches = nn.Linear(architecture.vision_hidden, sum(CLASSES.values()))
        self.queries = nn.Linear(architecture.hidden, sum(CLASSES.values()))

    def forward(self, features: Tensor, embeddings: Tensor, slices: Slices) -> Tensor:
        """The loss of a step's slices, averaged over labels.

        Args:
            features: (slices, most patches, vision_hidden).
            embeddings: (slices, queries, hidden).
            slices: Whose labels are to be found.
        """
        by_patch = _naming_loss(self.patches(features), slices.labels, EMPTY_PATCH)
        by_query = _naming_loss(self.queries(embeddings), slices.query_labels, EMPTY_QUERY)
        return by_patch + by_query


class Knowing(nn.Module):
    """A head that says what is known halfway through the language model; likewise."""

    def __init__(self, hidden: int) -> None:
        super().__init__()
        self.words = nn.Linear(hidden, len(KNOWN))

    def forward(self, halfway: Tensor, asides: Tensor) -> Tensor:
        """The mean loss over asides.

        Args:
            halfway: (sequences, tokens, hidden), between two layers.
            asides: See `Group`; at least one.
        """
        rows, places, words = asides.to(halfway.device).unbind(1)
        there = functional.rms_norm(halfway[rows, places], halfway.shape[-1:])
        return functional.cross_entropy(self.words(there).float(), words)


def _naming_loss(scores: Tensor, labels: Tensor, empty: float) -> Tensor:
    """The mean loss over labels; places that show nothing have the weight `empty`."""
    labels = labels.to(scores.device).long().flatten(0, 1)
    labels = labels.masked_fill(labels == PADDING, IGNORED)
    losses = []
    by_label = scores.float().flatten(0, 1).split(list(CLASSES.values()), dim=-1)
    for index, (name, one) in enumerate(zip(CLASSES, by_label, strict=True)):
        weights = torch.ones(one.shape[-1], device=one.device)
        if name not in EVERYWHERE:
            weights[NOTHING] = empty
        loss = functional.cross_entropy(one, labels[:, index], weights, ignore_index=IGNORED)
        losses.append(KIND_WEIGHT * loss if name == "kind" else loss)
    return torch.stack(losses).mean()


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
            "muon": torch.optim.Muon(
                matrices, weight_decay=DECAY, adjust_lr_fn="match_rms_adamw"
            ),
            "adamw": torch.optim.AdamW(others, betas=(0.9, 0.98), weight_decay=0.0, fused=True),
        }

    @property
    def rate(self) -> float:
        """The learning rate of the next step: up in a line, then down in half a cosine.

        Once for each part of the schedule.
        """
        first, last = self.schedule.part_of(self.done)
        begun = self.done - first
        warm = min((begun + 1) / WARM_UP_STEPS, 1.0)
        fall = (1 + math.cos(math.pi * min(begun / (last - first), 1.0))) / 2
        return self.peak_rate * warm * (FINAL_RATE + (1 - FINAL_RATE) * fall)

    @property
    def looks_better(self) -> bool:
        """Whether the vision tower learns from the next step; the resampler always does."""
        schedule = self.schedule
        return self.done < schedule.seeing_until or self.done >= schedule.together_from

    def learn(self, step: Step) -> Losses:
        """Take one step."""
        if self.done in self.schedule.anew_at:
            self.optimisers = self._optimisers()
        rates = SEEING_RATES if self.done < self.schedule.seeing_until else TELLING_RATES
        for name, optimiser in self.optimisers.items():
            for settings in optimiser.param_groups:
                settings["lr"] = self.rate * rates[name]
        with mixed(self.device):
            answers, seeing, asides = self.losses(step)
        (answers + SEEING_WEIGHT * seeing + ASIDES_WEIGHT * asides).backward()
        nn.utils.clip_grad_norm_(self._modules.parameters(), 1.0)
        for optimiser in self.optimisers.values():
            optimiser.step()
            optimiser.zero_grad(set_to_none=True)
        self.done += 1
        return Losses(answers.item(), seeing.item(), asides.item())

    def losses(self, step: Step) -> tuple[Tensor, Tensor, Tensor]:
        """The answers' loss a token, the vision tower's a patch, and asides'.

        All groups count alike: long answers must not outweigh short ones.
        """
        embeddings, seeing = self._see(step)
        nothing = torch.zeros((), device=self.device)
        told, known, start = [], [], 0
        for group in step.groups:
            told.append(self._group_loss(group, embeddings[start : start + group.slices]))
            if len(group.asides):
                known.append(self.knowing(self._halfway, group.asides))
            start += group.slices
        answers = torch.stack(told).mean() if told else nothing
        return answers, seeing, torch.stack(known).mean() if known else nothing

    def _see(self, step: Step) -> tuple[Tensor, Tensor]:
        """Embeddings of all slices, and the loss on what is seen in them."""
        if step.slices is None:
            return torch.empty(0), torch.zeros((), device=self.device)
        pixels = normalised(step.slices.patches.to(self.device))
        with torch.set_grad_enabled(self.looks_better):
            features = self.network.look(pixels, step.slices.sizes)
        embeddings = self.network.resample(features, step.slices.sizes)
        return embeddings, self.seeing(features, embeddings, step.slices)

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
