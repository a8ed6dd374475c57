"""What is changed of a request that failed, rung by rung, until the model answers it.

The ladder, from what costs the answer least of its truth to what costs most::

    prompt_too_long, engine_refused    fewer_frames, again; then smaller_pixels, again
    answer_cut                         more_tokens, then other_seed
    unparsable                         other_seed

With other frames or pixels the whole conversation begins anew, since answers name frames by
their numbers. Rows tell what was done, in ``repairs``.
"""

from __future__ import annotations

from dataclasses import replace

from PIL import Image

from operators.base import Sampling
from schemas.failure import FailureCode
from schemas.media import Frames, MediaKind

FEWER_FRAMES = "fewer_frames"
SMALLER_PIXELS = "smaller_pixels"
MORE_TOKENS = "more_tokens"
OTHER_SEED = "other_seed"

MOST_REDUCTIONS = {FailureCode.PROMPT_TOO_LONG: 8, FailureCode.ENGINE_REFUSED: 2}
"""How often an item is shown with less, by what failed.

A prompt that is too long fits at last; what else an engine refuses seldom is about size.
"""

MORE_TOKENS_FACTOR = 2
RETRY_TEMPERATURE = 0.7
LEAST_SIDE = 56
"""Pixels; smaller pictures show nothing."""


def other_sampling(
    sampling: Sampling, failure: FailureCode, done: list[str]
) -> tuple[str, Sampling] | None:
    """The next rung for an answer that was cut or cannot be read.

    Args:
        sampling: As it was asked.
        failure: What became of it.
        done: Rungs that were tried for this question.

    Returns:
        The rung and how to ask now; None if there is none left.
    """
    if failure is FailureCode.ANSWER_CUT and MORE_TOKENS not in done:
        more = sampling.max_tokens * MORE_TOKENS_FACTOR
        return MORE_TOKENS, replace(sampling, max_tokens=more)
    if failure in (FailureCode.ANSWER_CUT, FailureCode.UNPARSABLE) and OTHER_SEED not in done:
        # A greedy answer would come out the same: another seed needs a temperature.
        other = replace(sampling, seed=sampling.seed + 1, temperature=RETRY_TEMPERATURE)
        return OTHER_SEED, other
    return None


def reduced(frames: Frames, failure: FailureCode, done: list[str]) -> tuple[str, Frames] | None:
    """The next rung for media that the engine does not take.

    Args:
        frames: As they were shown.
        failure: What became of it.
        done: Rungs that were tried for this item and task.

    Returns:
        The rung and what to show now; None if there is none left.
    """
    tried = sum(rung in (FEWER_FRAMES, SMALLER_PIXELS) for rung in done)
    if not frames.shapes or tried >= MOST_REDUCTIONS.get(failure, 0):
        return None
    if frames.kind is MediaKind.VIDEO and len(frames.shapes) > 1:
        return FEWER_FRAMES, every_second(frames)
    smaller = halved(frames)
    return None if smaller is None else (SMALLER_PIXELS, smaller)


def every_second(frames: Frames) -> Frames:
    """A video's first frame, its third, and so on."""
    view, offsets = memoryview(frames.pixels), frames.offsets()
    kept = range(0, len(frames.shapes), 2)
    pixels = b"".join(view[offsets[at] : offsets[at] + _size(frames.shapes[at])] for at in kept)
    return replace(
        frames,
        pixels=pixels,
        shapes=tuple(frames.shapes[at] for at in kept),
        pts_s=tuple(frames.pts_s[at] for at in kept),
        requested_s=frames.requested_s[::2],
    )


def halved(frames: Frames) -> Frames | None:
    """All frames at half their width and height; None if they are small already."""
    if min(side for shape in frames.shapes for side in shape) < 2 * LEAST_SIDE:
        return None
    view, made, shapes = memoryview(frames.pixels), [], []
    for offset, (height, width) in zip(frames.offsets(), frames.shapes, strict=True):
        data = view[offset : offset + height * width * 3].tobytes()
        picture = Image.frombuffer("RGB", (width, height), data, "raw", "RGB", 0, 1)
        small = picture.resize((width // 2, height // 2), Image.Resampling.BOX)
        made.append(small.tobytes())
        shapes.append((small.height, small.width))
    return replace(frames, pixels=b"".join(made), shapes=tuple(shapes))


def _size(shape: tuple[int, int]) -> int:
    return shape[0] * shape[1] * 3
