"""decord and decord2, which have the same interface; they scale while they decode."""

from __future__ import annotations

import numpy as np
from decord import VideoReader, cpu

from tests.bench.media.contenders.protocol import run_contender
from tests.bench.media.tasks import Case


def _reader(case: Case) -> VideoReader:
    return VideoReader(
        case.path, ctx=cpu(0), width=case.width, height=case.height, num_threads=1
    )


def exact(case: Case) -> np.ndarray:
    """Frames by number."""
    return _reader(case).get_batch(list(case.frames)).asnumpy()


def keyframes(case: Case) -> np.ndarray:
    """The nearest keyframes."""
    reader = _reader(case)
    known = [int(key) for key in reader.get_key_indices()]
    return reader.get_batch(case.nearest_keyframes(known)).asnumpy()


if __name__ == "__main__":
    run_contender({"exact": exact, "keyframes": keyframes})
