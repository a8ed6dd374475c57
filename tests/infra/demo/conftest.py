from __future__ import annotations

import pytest
from tokenizers import Tokenizer

from infra.demo.checkpoint.tokenizer import train_tokenizer
from infra.demo.lessons.curriculum import group_of
from infra.demo.lessons.photographs import Sizes
from infra.demo.training import corpus as corpus_module
from infra.demo.training.corpus import corpus
from infra.demo.training.examples import Encoder, Step
from tests.fixtures.learning import ARCHITECTURE


@pytest.fixture(scope="session")
def tokenizer() -> Tokenizer:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(corpus_module, "GROUPS_A_TASK", 2)
        return train_tokenizer(corpus(), ARCHITECTURE.vocabulary)


@pytest.fixture(scope="session")
def encoder(tokenizer: Tokenizer) -> Encoder:
    return Encoder(ARCHITECTURE, tokenizer)


@pytest.fixture(scope="session")
def step(encoder: Encoder) -> Step:
    sizes = Sizes(56 * 56, 4, 0.5)
    tasks = ("caption", "listing", "video_summary", "video_parts")
    return encoder.step(
        [group_of(seed, lambda _: 3, sizes, {task: 1.0}) for seed, task in enumerate(tasks)]
    )
