"""What makes a row current: a digest of everything that changes its answer.

Covered: model and revision, quantisation and dtype, the task with its version and
options, its prompt and schema, sampling parameters, media policy, Tagline's own decode
version. Not covered, on purpose: batch sizes, replicas, paths, credentials.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

DECODE_VERSION = 4
"""Raise it when the same file would decode to different pixels."""


def digest(value: Any) -> str:
    """A short stable digest of any JSON-like value (128 bits, hex)."""
    canonical = _CANONICAL.encode(value)
    return hashlib.sha256(canonical.encode("utf-8", "surrogatepass")).hexdigest()[:32]


# Made once: `json.dumps` makes an encoder at each call, and a listing has millions.
_CANONICAL = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def part_digests(parts: Mapping[str, Any]) -> dict[str, str]:
    """A digest of each named part (``model``, ``prompt``, ``media``, ...).

    With those of two fingerprints it can be said which part changed.
    """
    return {name: digest(part) for name, part in parts.items()}


def fingerprint(digests: Mapping[str, str]) -> str:
    """The fingerprint of parts, from what `part_digests` says of them."""
    return digest(digests)
