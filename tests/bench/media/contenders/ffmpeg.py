"""FFmpeg's own command, in one pass over the file or one command for each frame."""

from __future__ import annotations

import subprocess
from collections.abc import Iterable

import numpy as np
from imageio_ffmpeg import get_ffmpeg_exe

from tests.bench.media.contenders.protocol import Unable, run_contender
from tests.bench.media.tasks import Case

ONE_THREAD = ("-threads", "1", "-filter_threads", "1")
QUIETLY = ("-nostdin", "-v", "error", *ONE_THREAD)


def one_pass(case: Case) -> np.ndarray:
    """Decode everything, and let the frames wanted through."""
    return _run(case, ["-i", case.path], case.frames)


def one_pass_of_keyframes(case: Case) -> np.ndarray:
    """Decode all keyframes, and let the nearest ones through; it is told which those are."""
    nearest = case.nearest_keyframes()
    order = {key: place for place, key in enumerate(case.keyframes)}
    distinct = sorted({order[key] for key in nearest})
    pictures = _run(case, ["-skip_frame", "nokey", "-i", case.path], distinct)
    return pictures[[distinct.index(order[key]) for key in nearest]]


def seek(case: Case) -> np.ndarray:
    """One command for each frame: seek to before it, and decode up to it."""
    return np.concatenate(
        [
            _run(case, ["-ss", f"{max(0, number - 0.5) / case.fps:.4f}", "-i", case.path], [0])
            for number in case.frames
        ]
    )


def seek_keyframes(case: Case) -> np.ndarray:
    """One command for each frame: seek to the keyframe before it, and take that."""
    options = ["-noaccurate_seek", "-skip_frame", "nokey"]
    return np.concatenate(
        [
            _run(case, [*options, "-ss", f"{number / case.fps:.4f}", "-i", case.path], [0])
            for number in case.frames
        ]
    )


def _run(case: Case, source: list[str], frames: Iterable[int]) -> np.ndarray:
    chosen = list(frames)
    scaled = f"scale={case.width}:{case.height}:flags=area"
    picked = "+".join(f"eq(n\\,{number})" for number in chosen)
    command = [get_ffmpeg_exe(), *QUIETLY, *source, "-an", "-fps_mode", "passthrough"]
    command += ["-vf", f"select={picked},{scaled}", "-frames:v", str(len(chosen))]
    command += ["-f", "rawvideo", "-pix_fmt", "rgb24", "-"]
    ended = subprocess.run(command, capture_output=True, check=False)
    pixels = np.frombuffer(ended.stdout, np.uint8)
    size = case.width * case.height * 3
    if ended.returncode or len(pixels) != size * len(chosen):
        raise Unable(
            f"{len(pixels) // size} of {len(chosen)} frames came; "
            f"{ended.stderr.decode(errors='replace')}"
        )
    return pixels.reshape(-1, case.height, case.width, 3)


if __name__ == "__main__":
    run_contender(
        {
            "one_pass": one_pass,
            "seek": seek,
            "one_pass_of_keyframes": one_pass_of_keyframes,
            "seek_keyframes": seek_keyframes,
        }
    )
