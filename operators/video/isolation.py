"""What no container may do, whoever opens it."""

from __future__ import annotations

from typing import BinaryIO


def refuse_to_open(url: str, flags: int, options: dict) -> BinaryIO:
    """Files that a container refers to are never opened; PyAV's ``io_open``."""
    raise PermissionError(f"the container refers to another file: {url[:200]!r}")
