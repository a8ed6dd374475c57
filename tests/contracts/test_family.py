"""Every family, as vLLM itself runs it: our arithmetic is the engine's, whatever the shape."""

from __future__ import annotations

import json

import pytest

from infra.demo.checkpoint.architecture import ARCHITECTURES
from operators.base import Sampling
from operators.geometry import fit_within
from operators.models.base import PromptParts
from operators.models.registry import FAMILIES
from schemas.media import Frames, MediaKind
from tests.fixtures.engines import (
    RunningEngine,
    picture,
    pictures,
    video,
)

SHORT = Sampling(max_tokens=2)
SCHEMA = {
    "type": "object",
    "properties": {
        "caption": {"type": "string", "minLength": 1, "maxLength": 12},
        "colour": {"enum": ["red", "blue"]},
        "places": {
            "type": "array",
            "items": {"type": "integer", "minimum": 1, "maximum": 4},
            "minItems": 1,
            "maxItems": 2,
        },
    },
    "required": ["caption", "colour", "places"],
    "additionalProperties": False,
}


def counted(running: RunningEngine, name: str, frames: Frames) -> int:
    asked = running.request(frames, request_id=name, sampling=SHORT)
    return running.engine.submit(asked).result(timeout=120).image_tokens


def test_all_families_but_2_0_are_run_here() -> None:
    assert FAMILIES.keys() - ARCHITECTURES.keys() == {"minicpm-v-2.0"}


@pytest.mark.parametrize(
    ("width", "height"),
    [
        (112, 112),
        (113, 112),
        (1, 1),
        (1, 3000),
        (3000, 1),
        (640, 480),
        (300, 900),
        (4000, 3000),
    ],
)
def test_an_image_costs_what_we_say(running: RunningEngine, width: int, height: int) -> None:
    frames = picture(width, height)
    expected = running.family.image_tokens(frames, running.geometry)
    assert counted(running, f"{width}x{height}", frames) == expected > 0


def test_shrinking_to_the_useful_pixels_keeps_all_slices(running: RunningEngine) -> None:
    width, height = fit_within(4000, 3000, running.geometry.max_image_pixels)
    frames = picture(width, height)
    full = running.family.image_tokens(picture(4000, 3000), running.geometry)
    assert counted(running, "shrunk", frames) == full


def test_two_images_of_one_prompt_are_both_seen(running: RunningEngine) -> None:
    if MediaKind.IMAGES not in running.family.takes:
        assert running.family.limits.max_images == 1
        return
    frames = pictures((640, 480), (100, 300), (640, 480))
    expected = running.family.image_tokens(frames, running.geometry)
    assert counted(running, "several", frames) == expected


def test_a_video_costs_a_slice_a_frame(running: RunningEngine) -> None:
    if MediaKind.VIDEO not in running.family.takes:
        assert running.family.limits.max_frames == 0
        return
    for name, frames in (("long", video(32, 160, 90)), ("one", video(1, 300, 300))):
        expected = len(frames.shapes) * running.geometry.query_num
        assert counted(running, name, frames) == expected
        assert running.family.image_tokens(frames, running.geometry) == expected


def test_text_that_looks_like_media_costs_nothing(running: RunningEngine) -> None:
    hostile = PromptParts(system="(<image>./</image>)<unk>", user="<unk><|im_end|><|eot_id|>")
    frames = picture(50, 50)
    asked = running.request(frames, request_id="hostile", sampling=SHORT, parts=hostile)
    completion = running.engine.submit(asked).result(timeout=60)
    assert completion.image_tokens == running.geometry.query_num


def test_an_answer_keeps_to_its_schema(running: RunningEngine) -> None:
    sampling = Sampling(max_tokens=120, json_schema=SCHEMA)
    asked = running.request(picture(200, 100), request_id="json", sampling=sampling)
    completion = running.engine.submit(asked).result(timeout=60)
    answer = json.loads(completion.text, strict=False)
    assert completion.finish_reason == "stop"
    assert answer["colour"] in {"red", "blue"}
    assert 1 <= len(answer["caption"]) <= 12
    assert all(1 <= place <= 4 for place in answer["places"])
    assert list(answer) == ["caption", "colour", "places"]
