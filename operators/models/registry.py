"""Every model family that Tagline can run. A new one is a file and a line here."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from typing import Any

from operators.models import (
    minicpm_v_2_0,
    minicpm_v_2_5,
    minicpm_v_2_6,
    minicpm_v_4_0,
    minicpm_v_4_5,
)
from operators.models.base import ModelFamily
from schemas.failure import UsageError

ARCHITECTURE = "MiniCPMV"

FAMILIES: dict[str, ModelFamily] = {
    known.id: known
    for known in (
        minicpm_v_2_0.FAMILY,
        minicpm_v_2_5.FAMILY,
        minicpm_v_2_6.FAMILY,
        minicpm_v_4_0.FAMILY,
        minicpm_v_4_5.FAMILY,
    )
}


def family(family_id: str) -> ModelFamily:
    """The family of this id.

    Raises:
        UsageError: If there is none, with the nearest match.
    """
    if family_id in FAMILIES:
        return FAMILIES[family_id]
    near = difflib.get_close_matches(family_id, FAMILIES, n=1)
    hint = f"did you mean {near[0]}?" if near else f"choose from {', '.join(FAMILIES)}"
    raise UsageError(f"model family {family_id!r} is not known; {hint}")


def detect_family(config: Mapping[str, Any]) -> ModelFamily:
    """The family of a checkpoint.

    Args:
        config: Its ``config.json``.

    Raises:
        UsageError: If it is none of `FAMILIES`, with the nearest match.
    """
    architectures = config.get("architectures") or []
    if ARCHITECTURE not in architectures:
        found = ", ".join(map(str, architectures)) or config.get("model_type") or "nothing"
        supported = ", ".join(f"{one.id} ({one.hub_id})" for one in FAMILIES.values())
        raise UsageError(
            f"the checkpoint's architecture is {found}, not {ARCHITECTURE}; "
            f"supported: {supported}"
        )
    version = _version(config)
    for known in FAMILIES.values():
        if known.version == version:
            return known
    versions = [known.version for known in FAMILIES.values()]
    near = difflib.get_close_matches(version, versions, n=1, cutoff=0.0)[0]
    raise UsageError(
        f"the checkpoint is a MiniCPM-V {version}, which is not supported; the nearest that "
        f"is: minicpm-v-{near} ({FAMILIES[f'minicpm-v-{near}'].hub_id})"
    )


def _version(config: Mapping[str, Any]) -> str:
    """``2.6`` of ``2.6``, ``"2.6"`` or ``4``; the oldest checkpoints do not say theirs."""
    version = config.get("version")
    if version is not None:
        text = str(version)
        return text if "." in text else f"{text}.0"
    is_2_0 = config.get("hidden_size") == 2304 and config.get("query_num") == 64
    return "2.0" if is_2_0 else "2.5"
