"""What becomes of a video of which a part cannot be decoded."""

from __future__ import annotations

from typing import Literal

import av.error

from schemas.failure import FailureCode, ItemFailure, Stage

_CAUSED_BY_AN_END = frozenset(
    {FailureCode.CORRUPT, FailureCode.NO_FRAMES, FailureCode.TRUNCATED}
)


class Damage:
    """Ends the decoding of a damaged video, or takes note of what it lacks.

    Args:
        policy: `schemas.sampling.VideoSampling.damaged`.
    """

    def __init__(self, policy: Literal["fail", "use"]) -> None:
        self._policy = policy
        self._met: dict[str, ItemFailure] = {}

    def meet(
        self,
        about: Literal["end", "packets", "frames", "subtitles"],
        code: FailureCode,
        message: str,
        cause: BaseException | None = None,
    ) -> None:
        """Something is lost.

        Args:
            about: What; earlier messages about the same are forgotten.
            code: TRUNCATED or CORRUPT.
            message: In words.
            cause: The exception that tells so.

        Raises:
            ItemFailure: If damaged videos are to fail.
        """
        failure = ItemFailure(Stage.DECODE, code, message)
        if self._policy == "fail":
            raise failure from cause
        self._met[about] = failure

    @property
    def is_cut_off(self) -> bool:
        """Whether the file ends early, and is used all the same."""
        return "end" in self._met

    def cause_of(self, failure: ItemFailure) -> ItemFailure:
        """Why a video cannot be used at all: it is cut off, if that was met, or the failure."""
        if failure.code not in _CAUSED_BY_AN_END:
            return failure
        return self._met.get("end", failure)

    def told(self, end_s: float) -> list[ItemFailure]:
        """All that was met.

        Args:
            end_s: How long the video is that is left, seconds.
        """
        return [
            ItemFailure(met.stage, met.code, f"{met.message}; {end_s:.3f} s of it are used")
            if about == "end"
            else met
            for about, met in self._met.items()
        ]


def failure_of(error: Exception, container: str) -> ItemFailure:
    """The failure that an exception of PyAV's stands for."""
    said = getattr(error, "strerror", None) or error
    if isinstance(error, av.error.PatchWelcomeError):
        code, message = FailureCode.FORMAT_NOT_ALLOWED, f"the video cannot be decoded: {said}"
    elif isinstance(error, av.error.EOFError):
        code, message = FailureCode.TRUNCATED, f"the {container} ends early: {error}"
    else:
        code, message = FailureCode.CORRUPT, f"the {container} cannot be decoded: {said}"
    return ItemFailure(Stage.DECODE, code, message)
