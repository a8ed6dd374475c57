"""What a network in training has learned: its answers to lessons that it never saw."""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import nullcontext

import torch
from torch import Tensor

from infra.demo.checkpoint.network import MiniCPMV
from infra.demo.lessons.curriculum import group_of
from infra.demo.lessons.lesson import Lesson
from infra.demo.training.examples import Encoder, normalised
from infra.demo.training.learner import Learner, mixed
from infra.demo.training.plan import sizes_of
from infra.demo.world.seeds import VALIDATION_SEEDS

MOST_TOKENS = 320
ITEMS = 6
"""Of a group."""


def examine(
    learner: Learner, encoder: Encoder, tasks: Sequence[str], groups: int, sliced: float
) -> dict[str, float]:
    """The share of answers that are exactly true, by task.

    Args:
        learner: Whose network is asked.
        encoder: Of its checkpoint.
        tasks: Of the curriculum.
        groups: How many groups of `ITEMS` lessons are asked of each task.
        sliced: The share of pictures that are cut into slices.
    """
    right: dict[str, float] = {}
    for task in tasks:
        results = []
        for number in range(groups):
            seed = VALIDATION_SEEDS[number * ITEMS]
            sizes = sizes_of(encoder.architecture, sliced)
            lessons = group_of(seed, lambda _: ITEMS, sizes, {task: 1.0})
            results += [
                _is_true(answer, lesson)
                for lesson, answer in zip(
                    lessons,
                    answers(learner.network, encoder, lessons, learner.device),
                    strict=True,
                )
            ]
        right[task] = round(sum(results) / len(results), 3)
    return right


def answers(
    network: MiniCPMV,
    encoder: Encoder,
    lessons: Sequence[Lesson],
    device: torch.device,
    *,
    exact: bool = False,
) -> list[str]:
    """Greedy answers of a network to lessons' questions.

    Args:
        network: Who is asked.
        encoder: Of its checkpoint.
        lessons: Whose questions; their answers are not looked at.
        device: Where the network is.
        exact: Compute in float32 throughout, as is not done in training everywhere.
    """
    said = []
    stop = encoder.answer("")
    for lesson in lessons:
        tokens, places = encoder.prompt(lesson)
        with torch.no_grad(), nullcontext() if exact else mixed(device):
            [ids] = network.generate(
                torch.tensor([tokens], device=device),
                torch.tensor([len(tokens)]),
                _embeddings(network, encoder, lesson, device),
                torch.tensor([places], device=device),
                most=MOST_TOKENS,
                stop=stop,
            )
        said.append(encoder.tokenizer.decode(ids))
    return said


def _embeddings(
    network: MiniCPMV, encoder: Encoder, lesson: Lesson, device: torch.device
) -> Tensor | None:
    seen = []
    for piece in (piece for one in encoder.pieces(lesson.shown) for piece in one):
        patches = normalised(torch.from_numpy(piece.patches)[None].to(device))
        seen.append(network.see(patches, torch.tensor([piece.grid])))
    return torch.cat(seen) if seen else None


def _is_true(answer: str, lesson: Lesson) -> bool:
    try:
        return bool(json.loads(answer) == json.loads(lesson.answer))
    except ValueError:
        return False
