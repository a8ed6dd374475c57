"""The contract of a store, and the failures that every backend words alike."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import BinaryIO, Protocol

from schemas.failure import FailureCode, ItemFailure, Stage


@dataclass(frozen=True)
class ObjectInfo:
    """One object, as a store lists it.

    Attributes:
        uri: ``s3://bucket/key`` with the raw key, or an absolute path.
        key: The path below the URI that was listed; the name if that URI is the object.
        size: Bytes; None where a web server does not say.
        version: Differs when the content differs: the ETag, or modification time and size.
    """

    uri: str
    key: str
    size: int | None
    version: str


class PutResult(StrEnum):
    """What became of a write."""

    WRITTEN = "written"
    ALREADY_EXISTS = "already_exists"


class Store(Protocol):
    """A place that holds objects. Thread-safe.

    Reads of one object raise `ItemFailure`; listing and writing raise `UsageError` when
    the address or the credentials are wrong and `StorageError` when the store cannot be
    reached for as long as `StorageSpec.timeout_s` allows.
    """

    def list(self, uri: str) -> Iterator[ObjectInfo]:
        """Stream the objects at and below a URI, in the store's order.

        Raises:
            UsageError: There is no such bucket, folder or object, or no access to it.
            StorageError: The store stayed out of reach.
        """

    def head(self, uri: str) -> ObjectInfo:
        """Size and version of one object. Raises `ItemFailure`."""

    def get(
        self, uri: str, *, version: str | None = None, max_bytes: int | None = None
    ) -> bytes:
        """Read one object whole.

        Args:
            uri: The object.
            version: If given, the read fails with CHANGED_OBJECT when it is another.
            max_bytes: If given, a larger object fails with TOO_LARGE before it is read.
        """

    def get_range(
        self, uri: str, offset: int, size: int, *, version: str | None = None
    ) -> bytes:
        """Read exactly `size` bytes of one object, from `offset` on.

        Args:
            uri: The object.
            offset: Of the first byte, from 0.
            size: Bytes to read, at least 1.
            version: If given, the read fails with CHANGED_OBJECT when it is another.

        Raises:
            ItemFailure: As for `get`; TRUNCATED if the object ends before the range does.
        """

    def open(
        self, uri: str, *, version: str | None = None, max_bytes: int | None = None
    ) -> BinaryIO:
        """Open one object as a seekable file that does not sit in memory.

        Remote stores answer a `RangedFile`, which fetches what is read of it; what they
        cannot serve in ranges lies in a temporary file, which goes when it is closed.
        """

    def fetch_to(
        self,
        uri: str,
        file: BinaryIO,
        *,
        version: str | None = None,
        max_bytes: int | None = None,
    ) -> int:
        """Write one object into an open file; answers its bytes."""

    def put(self, uri: str, data: bytes, *, if_absent: bool = False) -> PutResult:
        """Write one object whole or not at all.

        With `if_absent`, an object that is there stays and the answer is ALREADY_EXISTS.
        A retry that finds its own bytes (the first reply was lost) answers WRITTEN, so
        concurrent writers must write different bytes.
        """

    def delete(self, uri: str) -> None:
        """Remove one object; it is no error if it is gone already."""


def too_large(uri: str, size: int, max_bytes: int | None = None) -> ItemFailure:
    """The failure for an object beyond the limit."""
    return ItemFailure(
        Stage.FETCH,
        FailureCode.TOO_LARGE,
        f"{uri} has {size:,} bytes, more than the {max_bytes:,} allowed; "
        "raise media.max_file_bytes to take it",
    )


def changed(uri: str, expected: str, found: str | None = None) -> ItemFailure:
    """The failure for an object that was replaced after it was listed."""
    now = f", now {found!r}" if found else ""
    return ItemFailure(
        Stage.FETCH,
        FailureCode.CHANGED_OBJECT,
        f"{uri} was replaced after it was listed (version {expected!r}{now}); "
        "run the job again",
    )


def missing(uri: str) -> ItemFailure:
    """The failure for an object that is not there."""
    return ItemFailure(
        Stage.FETCH,
        FailureCode.MISSING_OBJECT,
        f"{uri} does not exist; if it was listed, it was deleted since",
    )


def write_chunk(file: BinaryIO, chunk: bytes, uri: str) -> None:
    """Write a piece of an object into a file; a full disk is an `ItemFailure`."""
    try:
        file.write(chunk)
    except OSError as error:
        raise spool_failure(uri, error) from error


def spool_failure(what: str, error: OSError) -> ItemFailure:
    """The failure for what cannot be written into a temporary file."""
    return ItemFailure(
        Stage.FETCH,
        FailureCode.STORAGE_UNAVAILABLE,
        f"{what} could not be spooled to {tempfile.gettempdir()} ({error}); "
        "free space there or point TMPDIR elsewhere",
    )


def check_range(offset: int, size: int) -> None:
    """Refuse a range that no object can have."""
    if offset < 0 or size < 1:
        raise ValueError(f"expected an offset from 0 and a size from 1, not {offset}, {size}")


def past_the_end(uri: str, offset: int, size: int) -> ItemFailure:
    """The failure for a range that the object does not hold."""
    return ItemFailure(
        Stage.FETCH,
        FailureCode.TRUNCATED,
        f"{uri} ends before byte {offset + size:,}: the {size:,} bytes from {offset:,} on are "
        "not all there; write the file anew",
    )


def spooled(fill: Callable[[BinaryIO], object]) -> BinaryIO:
    """A temporary file with what `fill` writes into it, at its start.

    It lies where TMPDIR says, and is gone once the caller closes it.
    """
    spool = tempfile.TemporaryFile(prefix="tagline-")  # noqa: SIM115 - the caller closes it
    try:
        fill(spool)
        spool.seek(0)
    except BaseException:
        spool.close()
        raise
    return spool
