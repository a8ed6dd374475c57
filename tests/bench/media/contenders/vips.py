"""libvips: its thumbnail, which lets the decoder shrink as far as that costs nothing."""

from __future__ import annotations

import numpy as np
import pyvips

from tests.bench.media.contenders.protocol import run_contender
from tests.bench.media.tasks import Case


def image(case: Case) -> np.ndarray:
    """One image."""
    pyvips.cache_set_max(0)
    small = pyvips.Image.thumbnail(case.path, case.width, height=case.height)
    return np.frombuffer(small.write_to_memory(), np.uint8).reshape(
        1, small.height, small.width, small.bands
    )


if __name__ == "__main__":
    run_contender({"image": image})
