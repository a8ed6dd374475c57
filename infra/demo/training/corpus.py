"""What the tokenizer learns from: lessons of every task, in all their words."""

from __future__ import annotations

from collections.abc import Iterator

from infra.demo.lessons.curriculum import MAKERS, group_of
from infra.demo.lessons.photographs import Sizes
from infra.demo.world.seeds import TRAINING_SEEDS

GROUPS_A_TASK = 60
_TINY = Sizes(900, 1, 0.0)
"""Nobody looks at these pictures."""


def corpus() -> Iterator[str]:
    """Instructions, what is said of items, and answers."""
    for task in MAKERS:
        for number in range(GROUPS_A_TASK):
            # From the far end of the range: the first groups teach the network.
            seed = TRAINING_SEEDS[-1] - number * 16 - 16
            for lesson in group_of(seed, lambda _: 3, _TINY, {task: 1.0}):
                yield from (lesson.system, lesson.user, lesson.answer)
