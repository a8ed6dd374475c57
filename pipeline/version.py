"""The version of Tagline that is installed."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version


def own_version() -> str:
    """Such as ``0.1.0``."""
    try:
        return version("tagline")
    except PackageNotFoundError:
        return "not installed"
