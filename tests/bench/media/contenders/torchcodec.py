"""torchcodec: it scales while it decodes, in one thread."""

from __future__ import annotations

from functools import partial

import numpy as np
import torch
from torchcodec.decoders import VideoDecoder
from torchcodec.transforms import Resize

from tests.bench.media.contenders.protocol import run_contender
from tests.bench.media.tasks import Case


def _decoder(case: Case, mode: str) -> VideoDecoder:
    torch.set_num_threads(1)
    return VideoDecoder(
        case.path,
        seek_mode=mode,
        num_ffmpeg_threads=1,
        dimension_order="NHWC",
        transforms=[Resize((case.height, case.width))],
    )


def sample(mode: str, case: Case) -> np.ndarray:
    """Frames by number; seeks by a scan of the file, or by its headers alone."""
    return _decoder(case, mode).get_frames_at(list(case.frames)).data.numpy()


def keyframes(case: Case) -> np.ndarray:
    """The nearest keyframes; their numbers come from a method that is not public yet."""
    decoder = _decoder(case, "exact")
    known = decoder._get_key_frame_indices().tolist()
    return decoder.get_frames_at(case.nearest_keyframes(known)).data.numpy()


if __name__ == "__main__":
    run_contender(
        {
            "exact": partial(sample, "exact"),
            "approximate": partial(sample, "approximate"),
            "keyframes": keyframes,
        }
    )
