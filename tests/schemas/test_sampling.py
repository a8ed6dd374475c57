from __future__ import annotations

import pytest
from pydantic import ValidationError

from schemas.sampling import VideoSampling


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"policy": "times"}, "expected times_s with policy times"),
        ({"times_s": [1.0]}, "expected times_s with policy times"),
        ({"policy": "fps", "from_s": 3.0}, "policy dense only, not fps"),
        ({"to_s": 3.0}, "policy dense only, not uniform"),
        ({"policy": "dense", "from_s": 3.0, "to_s": 3.0}, "to_s after from_s, not 3 to 3"),
        ({"policy": "times", "times_s": [-1.0]}, "greater than or equal to 0"),
        ({"policy": "times", "times_s": [float("nan")]}, "finite"),
        ({"policy": "all"}, "'uniform', 'fps', 'keyframes', 'shots'"),
    ],
)
def test_settings_that_do_not_go_together_are_refused(settings, told) -> None:
    with pytest.raises(ValidationError, match=r"(?s).*") as refused:
        VideoSampling.model_validate(settings)
    assert told in str(refused.value)


@pytest.mark.parametrize("policy", ["uniform", "keyframes", "shots", "adaptive", "dense"])
def test_what_another_policy_goes_by_changes_no_answer(policy: str) -> None:
    one, other = VideoSampling(policy=policy), VideoSampling(policy=policy, fps=7.0)
    assert one.settings() == other.settings()
    assert "max_frames" in one.settings()


def test_what_a_policy_goes_by_changes_answers() -> None:
    assert (
        VideoSampling(policy="fps").settings() != VideoSampling(policy="fps", fps=7).settings()
    )
    assert VideoSampling().settings() != VideoSampling(snap_s=1).settings()
    dense = [VideoSampling(policy="dense", from_s=start).settings() for start in (1, 2)]
    assert dense[0] != dense[1]
