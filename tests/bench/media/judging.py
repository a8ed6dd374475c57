"""Whether the pictures that a contender gave are those that it was asked for."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np

from tests.bench.media.contest import WRONG, Judge
from tests.bench.media.running import Pictures
from tests.bench.media.tasks import Case

ReadNumber = Callable[[np.ndarray], int]


def exact(cases: Sequence[Case], read: ReadNumber) -> Judge:
    """Counts the frames that do not bear the number asked for, and those that never came."""

    def judge(pictures: Pictures) -> dict[str, float]:
        wrong = 0
        for case, of_case in zip(cases, pictures, strict=True):
            numbers = [read(picture) for picture in of_case]
            right = sum(a == b for a, b in zip(numbers, case.frames, strict=False))
            wrong += len(case.frames) - right
        return {WRONG: wrong}

    return judge


def snapped(case: Case, read: ReadNumber) -> Judge:
    """Counts what is no keyframe; and how far from the wanted moments the others are."""

    def judge(pictures: Pictures) -> dict[str, float]:
        numbers = [read(picture) for picture in pictures[0]]
        wrong = sum(number not in case.keyframes for number in numbers)
        wrong += max(0, len(case.frames) - len(numbers))
        apart = [abs(a - b) for a, b in zip(numbers, case.frames, strict=False)]
        return {WRONG: wrong, "mean_error_s": round(sum(apart) / len(apart) / case.fps, 3)}

    return judge


def alike(references: Pictures) -> Judge:
    """The peak signal-to-noise ratio of all pictures together, in dB, 100 at most.

    A picture of another size counts as wrong, and is like the other at 0 dB.
    """

    def judge(pictures: Pictures) -> dict[str, float]:
        pairs = list(zip(pictures, references, strict=True))
        wrong = sum(given.shape != reference.shape for given, reference in pairs)
        return {WRONG: wrong, "psnr_db": 0.0 if wrong else round(_psnr_db(pairs), 2)}

    return judge


def _psnr_db(pairs: Sequence[tuple[np.ndarray, np.ndarray]]) -> float:
    errors = [np.mean((a.astype(np.float32) - b.astype(np.float32)) ** 2) for a, b in pairs]
    return 10 * math.log10(255**2 / max(float(np.mean(errors)), 255**2 / 1e10))
