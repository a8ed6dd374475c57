from __future__ import annotations

import pytest

from operators.models.registry import FAMILIES, detect_family, family
from schemas.failure import UsageError


@pytest.mark.parametrize("known", FAMILIES.values(), ids=lambda known: known.id)
@pytest.mark.parametrize("spelling", [str, float])
def test_a_family_is_found_by_its_version(known, spelling) -> None:
    config = {"architectures": ["MiniCPMV"], "version": spelling(known.version)}
    assert detect_family(config) is known


def test_a_whole_number_is_a_version_too() -> None:
    assert detect_family({"architectures": ["MiniCPMV"], "version": 4}).id == "minicpm-v-4.0"


def test_the_oldest_checkpoints_are_told_apart_by_their_width() -> None:
    old = {"architectures": ["MiniCPMV"], "hidden_size": 2304, "query_num": 64}
    assert detect_family(old).id == "minicpm-v-2.0"
    assert detect_family({**old, "hidden_size": 4096, "query_num": 96}).id == "minicpm-v-2.5"


def test_another_architecture_is_refused_with_what_is_supported() -> None:
    with pytest.raises(UsageError, match=r"Qwen2VL.*supported: .*openbmb/MiniCPM-V-2_6"):
        detect_family({"architectures": ["Qwen2VLForConditionalGeneration"], "version": 2.6})


def test_an_unknown_version_is_refused_with_the_nearest() -> None:
    with pytest.raises(UsageError, match=r"4\.6.*nearest.*minicpm-v-4\.5|4\.6.*minicpm-v-2\.6"):
        detect_family({"architectures": ["MiniCPMV"], "version": 4.6})


def test_a_config_that_says_nothing_is_refused() -> None:
    with pytest.raises(UsageError, match="nothing"):
        detect_family({})


def test_a_mistyped_family_gets_the_nearest() -> None:
    with pytest.raises(UsageError, match=r"did you mean minicpm-v-2\.6\?"):
        family("minicpm-v-26")
    with pytest.raises(UsageError, match="choose from"):
        family("gpt")
