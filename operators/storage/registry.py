"""Which store serves a URI."""

from __future__ import annotations

import threading

from operators.storage.base import Store
from schemas.failure import UsageError
from schemas.job import StorageSpec


def scheme_of(uri: str) -> str:
    """The URI's scheme; ``file`` for a plain path."""
    scheme, separator, _ = uri.partition("://")
    return scheme if separator else "file"


def open_store(uri: str, spec: StorageSpec) -> Store:
    """Make the store that serves `uri`; it serves every other URI of that scheme too.

    Raises:
        UsageError: No store knows the scheme, or the job does not allow it.
    """
    scheme = scheme_of(uri).lower()
    # The backends are imported here so that local jobs never load boto3.
    if scheme == "s3":
        from operators.storage.s3 import S3Store

        return S3Store(spec)
    if scheme in ("http", "https"):
        from operators.storage.http import HttpStore

        return HttpStore(spec)
    if scheme == "file":
        from operators.storage.local import LocalStore

        return LocalStore()
    raise UsageError(
        f"{uri}: no store knows the scheme {scheme!r}; use s3://bucket/key or a local path"
    )


class Stores:
    """The stores of one process, each made on first use and then shared by its threads."""

    def __init__(self, spec: StorageSpec) -> None:
        self._spec = spec
        self._by_scheme: dict[str, Store] = {}
        self._lock = threading.Lock()

    def of(self, uri: str) -> Store:
        """The store that serves `uri`. Raises `UsageError` if none does."""
        scheme = scheme_of(uri)
        with self._lock:
            if scheme not in self._by_scheme:
                self._by_scheme[scheme] = open_store(uri, self._spec)
            return self._by_scheme[scheme]
