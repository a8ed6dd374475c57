"""Which frames of a video the model sees, as a job file says it."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, PositiveFloat, model_validator

from schemas.section import Section

MAX_WINDOWS = 576
"""What a tree of two levels with 24 branches holds."""


SamplingPolicy = Literal["uniform", "fps", "keyframes", "shots", "adaptive", "times", "dense"]
Seconds = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class VideoSampling(Section):
    """Which frames of a video the model sees."""

    policy: SamplingPolicy = Field(
        default="uniform",
        description="uniform: from the middles of equal parts. fps: so many a second. "
        "keyframes: those coded by themselves, which are cheap. shots: frames_a_shot of each "
        "shot. adaptive: more where the picture changes more. times: those of times_s. dense: "
        "evenly from from_s to to_s. shots and adaptive look at the whole video first, every 2 "
        "s at least.",
    )
    max_frames: Annotated[int, Field(ge=1, le=1024)] = 32
    fps: PositiveFloat = Field(default=1.0, description="Frames a second; policy fps only.")
    frames_a_shot: Annotated[int, Field(ge=1, le=64)] = Field(
        default=1, description="Of each shot, if there is room for so many; policy shots only."
    )
    times_s: Annotated[tuple[Seconds, ...], Field(max_length=1024)] = Field(
        default=(), description="Seconds from the start; policy times only."
    )
    from_s: Seconds = Field(default=0.0, description="Seconds; policy dense only.")
    to_s: Seconds | None = Field(
        default=None, description="Seconds; policy dense only. The video's end if left out."
    )
    snap_s: Seconds = Field(
        default=0.0,
        description="A keyframe within so many seconds of a wanted moment is taken instead of "
        "the frame on screen then: far fewer bytes are read and fewer frames decoded. Rows "
        "have the moments in `requested_pts`, and in `frame_pts` what was taken.",
    )
    max_windows: Annotated[int, Field(ge=1, le=MAX_WINDOWS)] = Field(
        default=64,
        description="video_summary cuts a video from which the policies fps and keyframes want "
        "more than max_frames into this many windows of max_frames, at most; the frames are "
        "thinned evenly if it would be more. 1 cuts nothing.",
    )
    subtitles: bool = Field(
        default=True,
        description="Show the model what is said: the video's own text subtitles, or those "
        "of an .srt or .vtt file beside it.",
    )

    damaged: Literal["fail", "use"] = Field(
        default="fail",
        description="A video that is cut off, or of which wanted frames cannot be decoded, "
        "fails; or what there is of it is used, and the row says in `left_out` what is not.",
    )

    @model_validator(mode="after")
    def _settings_suit_the_policy(self) -> VideoSampling:
        if (self.policy == "times") != bool(self.times_s):
            raise ValueError("expected times_s with policy times, and with no other")
        if self.policy != "dense" and (self.from_s or self.to_s is not None):
            raise ValueError(
                f"expected from_s and to_s with policy dense only, not {self.policy}"
            )
        if self.to_s is not None and self.to_s <= self.from_s:
            raise ValueError(
                f"expected to_s after from_s, not {self.from_s:g} to {self.to_s:g}"
            )
        return self

    def settings(self) -> dict[str, Any]:
        """What of it decides about frames: the settings of other policies do not."""
        others = {
            "fps": ("fps",),
            "shots": ("frames_a_shot",),
            "times": ("times_s",),
            "dense": ("from_s", "to_s"),
        }
        unused = {name for policy, of in others.items() if policy != self.policy for name in of}
        return self.model_dump(mode="json", exclude=unused)
