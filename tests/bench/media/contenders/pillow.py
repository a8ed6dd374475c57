"""Pillow as one writes it plainly: decode the whole image, and shrink it with Lanczos."""

from __future__ import annotations

import numpy as np
from PIL import Image

from tests.bench.media.contenders.protocol import run_contender
from tests.bench.media.tasks import Case


def image(case: Case) -> np.ndarray:
    """Everything is decoded."""
    with Image.open(case.path) as opened:
        whole = opened.convert("RGB")
    return np.asarray(whole.resize((case.width, case.height), Image.Resampling.LANCZOS))[None]


def thumbnail(case: Case) -> np.ndarray:
    """Pillow's own way to a small picture."""
    with Image.open(case.path) as opened:
        opened.thumbnail((case.width, case.height))
        return np.asarray(opened.convert("RGB"))[None]


if __name__ == "__main__":
    run_contender({"image": image, "thumbnail": thumbnail})
