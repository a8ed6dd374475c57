from __future__ import annotations

import itertools
import re
from dataclasses import replace

import numpy as np
import pytest
import torch

from infra.demo.checkpoint.build import check_weights
from infra.demo.drawing import TRIPOD, arranged
from infra.demo.lessons.asides import KNOWN
from infra.demo.lessons.curriculum import MAKERS, group_of
from infra.demo.lessons.lesson import Marks
from infra.demo.lessons.photographs import Sizes
from infra.demo.training.examination import examine
from infra.demo.training.examples import IGNORED, Encoder, Step
from infra.demo.training.labels import (
    CLASSES,
    KINDS,
    NOTHING,
    PADDING,
    patch_labels,
    query_labels,
)
from infra.demo.training.learner import Learner, Rise, Schedule
from infra.demo.training.plan import (
    GPU,
    PICTURES,
    TWO_CORES,
    Plan,
    Steps,
    lessons_for,
)
from infra.demo.world.scene import Scene, Thing
from infra.demo.world.series import ASPECTS
from infra.demo.world.vocabulary import BACKGROUNDS, COLOURS, EVENT_KINDS
from tests.fixtures.learning import ARCHITECTURE

MUG = Thing("mug", "red", "large", "at the left")


def test_a_patch_is_labelled_by_what_is_around_its_centre() -> None:
    scene = Scene("mint", (MUG,))
    marks = Marks(tuple(arranged(scene, TRIPOD)), "mint")
    labels = patch_labels(marks, (100, 100), (0, 0, 100, 100), (10, 10)).reshape(10, 10, -1)
    assert (labels[..., 4] == tuple(BACKGROUNDS).index("mint")).all()
    assert labels[[0, 0, 5, 9], [0, 9, 5, 9], 5].tolist() == [0, 2, 4, 8]
    # A large thing at the left has x from 0.02 to 0.44, y from 0.29 to 0.71.
    is_mug = labels[..., 0] == 1 + KINDS.index("mug")
    assert is_mug[3:7, 0:3].all()
    covered = np.zeros((10, 10), bool)
    covered[3:7, 0:4] = True
    assert not is_mug[~covered].any()
    assert ((labels[..., 1] == 1 + tuple(COLOURS).index("red")) == is_mug).all()
    right_half = patch_labels(marks, (100, 100), (50, 0, 100, 100), (10, 5))
    assert not right_half[:, :4].any()


def test_a_query_is_labelled_by_what_has_its_centre_in_its_part() -> None:
    star = replace(MUG, product="star", place="at the bottom right", size="small")
    marks = Marks(tuple(arranged(Scene("mint", (MUG, star)), TRIPOD)), "mint")
    labels = query_labels(marks, (200, 100), (0, 0, 200, 100), 3).reshape(3, 3, -1)
    kinds = {(row, column): labels[row, column, 0] for row in range(3) for column in range(3)}
    shown = {place: KINDS[kind - 1] for place, kind in kinds.items() if kind != NOTHING}
    # At the left and in the middle of the height; at the bottom right.
    assert shown == {(1, 0): "mug", (2, 2): "star"}
    assert (labels[..., 4] == tuple(BACKGROUNDS).index("mint")).all()
    assert labels[..., 5].flatten().tolist() == list(range(9))
    # The lower right quarter shows the star in its middle, and nothing of the mug.
    [found] = query_labels(marks, (200, 100), (100, 50, 200, 100), 3)[:, 0].nonzero()
    assert found.tolist() == [4]


def test_only_answers_are_learned_and_all_of_them(encoder: Encoder, step: Step) -> None:
    group = step.groups[1]
    for tokens, targets, places in zip(
        group.tokens, group.targets, group.image_places, strict=True
    ):
        learned = targets[targets != IGNORED].tolist()
        text = encoder.tokenizer.decode(learned, skip_special_tokens=False)
        assert text.startswith("{")
        assert text.endswith("}<|im_end|>")
        [*_, last] = (targets != IGNORED).nonzero().flatten().tolist()
        first = last - len(learned) + 1
        # A token's target is the one after it.
        assert targets[first:last].tolist() == tokens[first + 1 : last + 1].tolist()
        assert not places[first:].any()


def test_every_slice_has_its_place(step: Step) -> None:
    slices = step.slices
    assert slices is not None
    assert len(slices) == sum(group.slices for group in step.groups)
    wanted = sum(int(group.image_places.sum()) for group in step.groups)
    assert wanted == len(slices) * ARCHITECTURE.query_num
    most = int(slices.sizes.prod(1).max())
    assert slices.patches.shape == (len(slices), most, 3 * 14 * 14)
    assert slices.labels.shape == (len(slices), most, len(CLASSES))
    assert slices.query_labels.shape == (len(slices), ARCHITECTURE.query_num, len(CLASSES))
    for count, labels in zip(slices.sizes.prod(1), slices.labels, strict=True):
        assert (labels[:count] != PADDING).all()
        assert (labels[count:] == PADDING).all()


def test_the_prefix_is_what_all_have_in_common_before_their_media(step: Step) -> None:
    for group in step.groups:
        assert len(group.prefix) > 20
        assert group.image_places.any(dim=1).all() == bool(group.slices)
    assert not step.groups[-1].slices


def test_it_learns(step: Step) -> None:
    learner = Learner(ARCHITECTURE, 0, Schedule(1000), 3e-3)
    learner.done = 200
    losses = [learner.learn(step) for _ in range(12)]
    assert losses[-1].answers < 0.7 * losses[0].answers
    assert losses[-1].seeing < losses[0].seeing
    check_weights(ARCHITECTURE, learner.network.weights())


def test_what_was_stopped_goes_on_as_if_it_had_not_been(step: Step, tmp_path) -> None:
    one, other = (Learner(ARCHITECTURE, 0, Schedule(100), 1e-3) for _ in range(2))
    for _ in range(3):
        one.learn(step)
    one.save(tmp_path / "state.pt")
    other.resume(tmp_path / "state.pt")
    assert other.done == 3
    results = [learner.learn(step).by_group for learner in (one, other)]
    assert torch.equal(*results)
    assert one.rate == other.rate


def changed_by(learner: Learner, step: Step) -> set[str]:
    """Which parts of the network a step changes."""
    before = learner.network.weights()
    learner.learn(step)
    return {
        name.partition(".")[0]
        for name, weight in learner.network.weights().items()
        if not torch.equal(weight, before[name])
    }


def test_first_it_learns_to_see_then_to_tell_then_both(encoder: Encoder, step: Step) -> None:
    seeing = Steps(encoder, TWO_CORES, 0)[0]
    assert seeing.groups == []
    assert seeing.slices is not None
    assert len(seeing.slices) <= PICTURES + 5
    learner = Learner(ARCHITECTURE, 0, Schedule(100, seeing_until=5, together_from=90), 1e-2)
    assert changed_by(learner, seeing) == {"vpm", "resampler"}
    learner.done = 20
    assert changed_by(learner, step) == {"llm", "resampler"}
    learner.done = 90
    assert changed_by(learner, step) == {"llm", "vpm", "resampler"}


def test_questions_about_text_alone_are_learned_too(encoder: Encoder) -> None:
    [*_, group] = encoder.step(
        [group_of(3, lambda _: 3, Sizes(56 * 56, 4, 0.5), {"video_parts": 1.0})]
    ).groups
    learner = Learner(ARCHITECTURE, 0, Schedule(100), 1e-2)
    losses = [learner.learn(Step([group], None)) for _ in range(3)]
    assert losses[-1].answers < losses[0].answers


def test_the_rate_rises_and_falls_for_each_part() -> None:
    learner = Learner(
        ARCHITECTURE, 0, Schedule(10_000, rises=(Rise(0), Rise(4000, height=0.5))), 1e-3
    )
    rates = []
    for learner.done in range(10_000):
        rates.append(learner.rate)
    assert rates[0] < 2e-5 < 9e-4 < rates[250] <= 1e-3
    assert rates[3999] < 3e-5
    assert rates[4000] < 2e-5 < 4.5e-4 < rates[4300] <= 5e-4
    assert rates[-1] < 3e-5


def test_every_step_has_seeds_of_its_own_and_every_stage_its_tasks() -> None:
    seen = set()
    for number in (0, 1, 5000):
        for stage in GPU.stages[1:]:
            for lesson in lessons_for(ARCHITECTURE, stage, number):
                seen.add((number, lesson.system, lesson.shown.pictures[0].tobytes()))
    assert len({number for number, *_ in seen}) == 3
    assert set(TWO_CORES.stages[-1].weights) == set(MAKERS)
    assert set(GPU.stages[-1].weights) >= set(MAKERS)


@pytest.mark.parametrize("plan", [TWO_CORES, GPU, GPU.of_steps(1000)])
def test_every_stage_has_its_share_of_the_steps(plan: Plan) -> None:
    in_turn = [plan.stage_of(number) for number in range(plan.steps)]
    assert [stage for stage, _ in itertools.groupby(in_turn)] == list(plan.stages)
    planned = plan.schedule()
    assert [stage.weights == {} for stage in in_turn] == [
        number < planned.seeing_until for number in range(plan.steps)
    ]
    assert all(in_turn[rise.first].anew for rise in planned.rises)
    assert in_turn[planned.together_from].together


def test_a_trial_has_as_many_steps_as_it_is_given() -> None:
    assert GPU.of_steps(1000).steps == 1000
    assert TWO_CORES.of_steps(TWO_CORES.steps) == TWO_CORES


def test_what_is_known_on_the_way_has_its_place(encoder: Encoder) -> None:
    def known(task: str) -> list[tuple[str, str]]:
        lessons = group_of(32, lambda _: 2, Sizes(56 * 56, 4, 0.0), {task: 1.0})
        group = encoder.step([lessons]).groups[0]
        said = []
        for row, at, word in group.asides.tolist():
            behind = group.tokens[row, : at + 1].tolist()
            text = encoder.tokenizer.decode(behind, skip_special_tokens=False)
            said.append((text, KNOWN[word]))
        return said

    assert all(before.endswith("?") for before, _ in known("one_question"))
    claims = [one for one in known("listing") if not one[0].endswith("<unk>")]
    assert {word for _, word in claims} <= {"true", "false"}
    assert all(re.search(r"(title|description): \"[^\"]*\w$", text) for text, _ in claims)
    films = known("video_summary")
    behind = [one for one in (*films, *known("compare")) if one[0].endswith("</image>")]
    assert {word for _, word in behind} <= {"same", "cut", *EVENT_KINDS, *ASPECTS}
    within = {word for before, word in films if before.endswith("<unk>")}
    assert within <= {
        "same",
        "appears",
        "leaves",
        "kind",
        "colour",
        "pattern",
        "size",
        "background",
    }


def test_what_is_known_on_the_way_is_learned(encoder: Encoder) -> None:
    lessons = group_of(48, lambda _: 4, Sizes(56 * 56, 4, 0.0), {"one_question": 1.0})
    step = encoder.step([lessons])
    learner = Learner(ARCHITECTURE, 0, Schedule(1000), 3e-3)
    learner.done = 200
    losses = [learner.learn(step).asides for _ in range(8)]
    assert losses[-1] < 0.5 * losses[0]


def test_an_examination_counts_answers_that_are_exactly_true(encoder, monkeypatch) -> None:
    learner = Learner(ARCHITECTURE, 0, Schedule(100), 1e-3)
    monkeypatch.setattr("infra.demo.training.examination.MOST_TOKENS", 4)
    tasks = ("caption", "video_parts")
    assert examine(learner, encoder, tasks, 1, 0.5) == dict.fromkeys(tasks, 0.0)
    monkeypatch.setattr(
        "infra.demo.training.examination.answers",
        lambda network, encoder, lessons, device: [lesson.answer for lesson in lessons],
    )
    assert examine(learner, encoder, tasks, 1, 0.5) == dict.fromkeys(tasks, 1.0)
