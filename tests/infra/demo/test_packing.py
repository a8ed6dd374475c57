from __future__ import annotations

import itertools

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from infra.demo.training.examples import Encoder, Step
from infra.demo.training.learner import Learner, Schedule
from infra.demo.training.muon import Muon
from infra.demo.training.packing import BATCH_COST, GRAIN, WIDTHS, Packed, best_cuts, pack
from infra.demo.training.plan import EVERYTHING, Plan, Stage, steps_from
from tests.fixtures.learning import ARCHITECTURE


def test_a_packed_step_teaches_what_the_step_does(step: Step) -> None:
    plain, packed = (Learner(ARCHITECTURE, 0, Schedule(1000), 3e-3) for _ in range(2))
    one, other = plain.losses(step), packed.losses(pack(step))
    assert torch.allclose(one.by_group, other.by_group, rtol=1e-4)
    for part in ("seeing", "asides", "answers"):
        assert torch.allclose(getattr(one, part), getattr(other, part), rtol=1e-4)
    one.total.backward()
    other.total.backward()
    for (name, mine), theirs in zip(
        plain.network.named_parameters(), packed.network.parameters(), strict=True
    ):
        if mine.grad is None:
            assert theirs.grad is None, name
        else:
            scale = mine.grad.abs().max()
            assert torch.allclose(
                mine.grad, theirs.grad, rtol=1e-3, atol=1e-4 * scale + 1e-7
            ), name
    assert packed.learn(pack(step)).answers == pytest.approx(other.answers.item(), rel=0.05)


def test_batches_are_of_like_length_and_hold_every_sequence(step: Step) -> None:
    batches = pack(step).batches
    assert all(batch.tokens.shape[1] % WIDTHS == 0 for batch in batches)
    said = sorted(tuple(row[row != 0].tolist()) for batch in batches for row in batch.tokens)
    whole = sorted(
        tuple(token for token in (*group.prefix.tolist(), *row.tolist()) if token)
        for group in step.groups
        for row in group.tokens
    )
    assert said == whole


@given(st.lists(st.integers(1, 3000), min_size=1, max_size=200))
def test_cuts_cost_no_more_than_one_batch_or_one_a_length(lengths: list[int]) -> None:
    lengths.sort()
    cuts = best_cuts(lengths)
    assert cuts == sorted(set(cuts))
    assert all(0 < cut < len(lengths) for cut in cuts)
    bounds = [0, *cuts, len(lengths)]
    cost = sum(
        BATCH_COST + lengths[end - 1] * (end - start)
        for start, end in itertools.pairwise(bounds)
    )
    assert cost <= BATCH_COST + lengths[-1] * len(lengths)
    grains = len({length // GRAIN for length in lengths})
    assert cost <= grains * BATCH_COST + sum(lengths) + GRAIN * len(lengths)


def test_steps_come_packed_for_a_gpu(encoder: Encoder) -> None:
    plan = Plan((Stage(2, 0.5, EVERYTHING, anew=True, together=True, groups=2),))
    steps = list(steps_from(encoder, plan, 0, 1, packed=True))
    assert [len(step.tasks) for step in steps] == [2, 2]
    assert all(isinstance(step, Packed) for step in steps)
    plain = list(steps_from(encoder, plan, 1, 0, packed=False))
    assert [step.tasks for step in plain] == [steps[1].tasks]


def test_matrices_change_together_as_they_would_alone() -> None:
    torch.manual_seed(0)
    shapes = [(64, 32), (64, 32), (32, 64), (48, 48)]
    ours = [nn.Parameter(torch.randn(shape) * 0.05) for shape in shapes]
    theirs = [nn.Parameter(matrix.detach().clone()) for matrix in ours]
    together = Muon(ours, lr=1e-2, weight_decay=0.02)
    alone = torch.optim.Muon(theirs, lr=1e-2, weight_decay=0.02, adjust_lr_fn="match_rms_adamw")
    for _ in range(5):
        for mine, other in zip(ours[:3], theirs, strict=False):
            mine.grad = torch.randn_like(mine)
            other.grad = mine.grad.clone()
        together.step()
        alone.step()
    for mine, other in zip(ours, theirs, strict=True):
        # Both orthogonalise in bfloat16, and round in another order.
        assert torch.allclose(mine, other, atol=3e-3)
    assert torch.equal(ours[3], theirs[3])
