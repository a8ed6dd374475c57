"""simplejpeg: shrinks in the decoder, in eighths; OpenCV does the rest by area."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import simplejpeg

from tests.bench.media.contenders.protocol import run_contender
from tests.bench.media.tasks import Case


def image(case: Case) -> np.ndarray:
    """One image."""
    cv2.setNumThreads(1)
    data = Path(case.path).read_bytes()
    scaled = simplejpeg.decode_jpeg(
        data, min_height=case.height, min_width=case.width, min_factor=1
    )
    size = (case.width, case.height)
    return cv2.resize(scaled, size, interpolation=cv2.INTER_AREA)[None]


if __name__ == "__main__":
    run_contender({"image": image})
