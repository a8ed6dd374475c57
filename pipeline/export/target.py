"""Where an export goes, and what may not lie there."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import BinaryIO

from operators.storage import PutResult, open_store
from operators.tasks.registry import BoundTask
from schemas.failure import UsageError
from schemas.job import JobSpec, StorageSpec
from schemas.tables import RESERVED_TABLES
from schemas.uris import check_uri, join_uri

MAX_FILE_BYTES = 512 * 1024**2
"""A file of items is closed once it has this many bytes."""


class Target:
    """A folder or prefix that an export fills.

    Args:
        uri: Its address.
        storage: How object storage is reached.

    Attributes:
        files: What was written, by address.
    """

    def __init__(self, uri: str, storage: StorageSpec) -> None:
        self.files: list[str] = []
        self.uri = uri
        self._store = open_store(uri, storage)

    def refuse_if_filled(self) -> None:
        """Raise `UsageError` if there are files at the target already."""
        try:
            first = next(iter(self._store.list(self.uri)), None)
        except UsageError:
            # Nothing is there, or it may not be listed: `put` replaces no file either way.
            return
        if first is not None:
            raise _taken(first.uri)

    def put(self, name: str, file: BinaryIO) -> None:
        """Write a whole file below the target.

        Raises:
            UsageError: If there is a file of that name, or it may not be written.
            StorageError: If the store cannot be reached.
        """
        uri = join_uri(self.uri, name)
        file.seek(0)
        if self._store.put(uri, file.read(), if_absent=True) is PutResult.ALREADY_EXISTS:
            raise _taken(uri)
        self.files.append(uri)


def open_target(uri: str, job: JobSpec, tasks: Sequence[BoundTask]) -> Target:
    """Check an address against the job's own and make it a target.

    Raises:
        UsageError: If it is no address, or lies in the job's input or its output's tables,
            or there are files at it.
    """
    try:
        check_uri(uri)
    except ValueError as error:
        raise UsageError(f"export: --to {uri!r}: {error}") from None
    for address in _inputs(job):
        if _holds(address, uri):
            raise UsageError(
                f"export: --to {uri} lies in the job's input {address}, where the next run "
                "would find it; name another place"
            )
    tables = {bound.table for bound in tasks} | RESERVED_TABLES
    own = [join_uri(job.output.uri, table) for table in sorted(tables)]
    if _holds(uri, job.output.uri) and _holds(job.output.uri, uri):
        raise UsageError(f"export: --to {uri} is the job's output; name another place")
    if any(_holds(table, uri) for table in own):
        raise UsageError(
            f"export: --to {uri} lies in a table of the job's output; name another place"
        )
    target = Target(uri, job.storage)
    target.refuse_if_filled()
    return target


def _inputs(job: JobSpec) -> list[str]:
    manifest = job.input.manifest
    base = [manifest.base] if manifest is not None and manifest.base else []
    return [*job.input.addresses, *base]


def _holds(folder: str, uri: str) -> bool:
    """Whether an address is a folder or lies below it; links are followed."""
    outer, inner = (
        (one.rstrip("/") if "://" in one else os.path.realpath(one)).split("/")
        for one in (folder, uri)
    )
    return inner[: len(outer)] == outer


def _taken(uri: str) -> UsageError:
    return UsageError(
        f"export: there is {uri} already; name an empty place by --to, or delete what is there"
    )
