"""OpenCV: its video capture, and its scaled decoding of JPEG."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from tests.bench.media.contenders.protocol import Unable, run_contender
from tests.bench.media.tasks import Case


def seek(case: Case) -> np.ndarray:
    """Frames by number, each sought."""
    return _sought(case, case.frames)


def keyframes(case: Case) -> np.ndarray:
    """The nearest keyframes, whose numbers it has to be told."""
    return _sought(case, case.nearest_keyframes())


def grab(case: Case) -> np.ndarray:
    """Everything is decoded; the frames wanted are fetched."""
    capture, wanted, found = _opened(case), set(case.frames), []
    for number in range(case.frames[-1] + 1):
        if not capture.grab():
            raise Unable(f"it ended before frame {number}")
        if number in wanted:
            found.append(_small(capture.retrieve()[1], case))
    return np.stack(found)


def image(case: Case) -> np.ndarray:
    """Half the size by the decoder, the rest by area."""
    cv2.setNumThreads(1)
    half = cv2.imread(case.path, cv2.IMREAD_REDUCED_COLOR_2)
    return _small(half, case)[None]


def _opened(case: Case) -> cv2.VideoCapture:
    cv2.setNumThreads(1)
    capture = cv2.VideoCapture(case.path, cv2.CAP_FFMPEG, [cv2.CAP_PROP_N_THREADS, 1])
    if not capture.isOpened():
        raise Unable("it cannot open the file")
    return capture


def _sought(case: Case, numbers: Sequence[int]) -> np.ndarray:
    capture, found = _opened(case), []
    for number in numbers:
        capture.set(cv2.CAP_PROP_POS_FRAMES, number)
        is_there, picture = capture.read()
        if not is_there:
            raise Unable(f"frame {number} cannot be read after seeking")
        found.append(_small(picture, case))
    return np.stack(found)


def _small(picture: np.ndarray, case: Case) -> np.ndarray:
    size = (case.width, case.height)
    small = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
    return cv2.cvtColor(small, cv2.COLOR_BGR2RGB)


if __name__ == "__main__":
    run_contender({"seek": seek, "grab": grab, "keyframes": keyframes, "image": image})
