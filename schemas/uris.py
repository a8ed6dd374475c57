"""Addresses of collections and outputs."""

from __future__ import annotations

from pathlib import PurePosixPath

URI_SCHEMES = ("s3",)


def check_uri(value: str) -> str:
    """Accept ``s3://bucket[/prefix]`` or a local path; raise ValueError otherwise."""
    if not value.strip():
        raise ValueError("expected s3://bucket/prefix or a local path, not an empty string")
    if "://" not in value:
        return value
    scheme, _, rest = value.partition("://")
    if scheme not in URI_SCHEMES:
        raise ValueError(
            f"expected s3://bucket/prefix or a local path; the scheme {scheme!r} is not known"
        )
    if not rest.partition("/")[0]:
        raise ValueError("expected s3://bucket/prefix; the bucket's name is missing")
    return value


def join_uri(base: str, *parts: str) -> str:
    """Join a URI or local path with further parts by single slashes."""
    if "://" in base:
        return "/".join([base.rstrip("/"), *(part.strip("/") for part in parts)])
    return str(PurePosixPath(base, *parts))
