"""Folders of this machine, or mounted on it."""

from __future__ import annotations

import contextlib
import errno
import os
import stat
import tempfile
from collections.abc import Iterator
from typing import BinaryIO

from operators.storage.base import (
    ObjectInfo,
    PutResult,
    changed,
    check_range,
    missing,
    past_the_end,
    too_large,
)
from schemas.failure import FailureCode, ItemFailure, Stage, StorageError, UsageError

CHUNK_BYTES = 1 << 20
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def _version(status: os.stat_result) -> str:
    return f"{status.st_mtime_ns}-{status.st_size}"


def _item_failure(uri: str, error: OSError) -> ItemFailure:
    if isinstance(error, FileNotFoundError | NotADirectoryError):
        return missing(uri)
    if isinstance(error, PermissionError):
        return ItemFailure(
            Stage.FETCH,
            FailureCode.ACCESS_DENIED,
            f"{uri} may not be read ({error.strerror}); check its permissions",
        )
    if isinstance(error, IsADirectoryError):
        return ItemFailure(
            Stage.FETCH, FailureCode.MISSING_OBJECT, f"{uri} is not a regular file"
        )
    return ItemFailure(
        Stage.FETCH, FailureCode.STORAGE_UNAVAILABLE, f"{uri} could not be read ({error})"
    )


def _job_error(action: str, uri: str, error: OSError) -> UsageError | StorageError:
    if isinstance(error, FileNotFoundError | NotADirectoryError):
        return UsageError(
            f"cannot {action} {uri}: there is no such file or folder; check the path"
        )
    if isinstance(error, PermissionError | FileExistsError | IsADirectoryError):
        return UsageError(f"cannot {action} {uri}: {error.strerror}; check its permissions")
    if error.errno == errno.EROFS:
        return UsageError(f"cannot {action} {uri}: {error.strerror}; choose another place")
    if error.errno in _FULL:
        return StorageError(f"cannot {action} {uri}: {error.strerror}; make room there")
    return StorageError(f"cannot {action} {uri}: {error}")


class LocalStore:
    """A `Store` over the file system. Writes are atomic: a reader sees all or nothing."""

    def list(self, uri: str) -> Iterator[ObjectInfo]:
        """See `Store.list`; by name within a folder, links followed, special files left out."""
        root = os.path.abspath(uri)
        try:
            status = os.stat(root)
            if not stat.S_ISDIR(status.st_mode):
                yield ObjectInfo(root, os.path.basename(root), status.st_size, _version(status))
                return
            yield from _walk(root, "", frozenset())
        except OSError as error:
            raise _job_error("list", error.filename or root, error) from error

    def head(self, uri: str) -> ObjectInfo:
        """See `Store.head`."""
        with self._opened(uri) as (_, status):
            return ObjectInfo(uri, os.path.basename(uri), status.st_size, _version(status))

    @contextlib.contextmanager
    def _opened(self, uri: str) -> Iterator[tuple[BinaryIO, os.stat_result]]:
        try:
            # Opening a pipe would wait for its writer.
            if not stat.S_ISREG(os.stat(uri).st_mode):
                raise IsADirectoryError(uri)
            with open(uri, "rb") as file:
                yield file, os.fstat(file.fileno())
        except OSError as error:
            raise _item_failure(uri, error) from error

    def get(
        self, uri: str, *, version: str | None = None, max_bytes: int | None = None
    ) -> bytes:
        """See `Store.get`."""
        with self._opened(uri) as (file, status):
            _check(uri, status, version, max_bytes)
            data = file.read()
            after = os.fstat(file.fileno())
            if _version(after) != _version(status) or len(data) != status.st_size:
                raise changed(uri, _version(status), _version(after))
            return data

    def get_range(
        self, uri: str, offset: int, size: int, *, version: str | None = None
    ) -> bytes:
        """See `Store.get_range`."""
        check_range(offset, size)
        with self._opened(uri) as (file, status):
            _check(uri, status, version, None)
            if offset + size > status.st_size:
                raise past_the_end(uri, offset, size)
            file.seek(offset)
            data = file.read(size)
            after = os.fstat(file.fileno())
            if _version(after) != _version(status) or len(data) != size:
                raise changed(uri, _version(status), _version(after))
            return data

    def open(
        self, uri: str, *, version: str | None = None, max_bytes: int | None = None
    ) -> BinaryIO:
        """See `Store.open`; the file itself, not a copy."""
        with self._opened(uri) as (file, status):
            _check(uri, status, version, max_bytes)
            return os.fdopen(os.dup(file.fileno()), "rb")

    def fetch_to(
        self,
        uri: str,
        file: BinaryIO,
        *,
        version: str | None = None,
        max_bytes: int | None = None,
    ) -> int:
        """See `Store.fetch_to`."""
        with self._opened(uri) as (source, status):
            _check(uri, status, version, max_bytes)
            done = 0
            while chunk := source.read(CHUNK_BYTES):
                done += file.write(chunk)
            if _version(os.fstat(source.fileno())) != _version(status):
                raise changed(uri, _version(status))
            return done

    def put(self, uri: str, data: bytes, *, if_absent: bool = False) -> PutResult:
        """See `Store.put`; missing folders are made."""
        folder = os.path.dirname(os.path.abspath(uri))
        draft = None
        try:
            os.makedirs(folder, exist_ok=True)
            with tempfile.NamedTemporaryFile(
                dir=folder, prefix=".tagline-", delete=False
            ) as file:
                draft = file.name
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            if not if_absent:
                os.replace(draft, uri)
                return PutResult.WRITTEN
            try:
                os.link(draft, uri)  # Fails if the name is taken, unlike a rename.
            except FileExistsError:
                return PutResult.ALREADY_EXISTS
            return PutResult.WRITTEN
        except OSError as error:
            raise _job_error("write", uri, error) from error
        finally:
            if draft is not None:
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(draft)

    def delete(self, uri: str) -> None:
        """See `Store.delete`."""
        try:
            os.unlink(uri)
        except FileNotFoundError:
            return
        except OSError as error:
            raise _job_error("delete", uri, error) from error


def _check(
    uri: str, status: os.stat_result, version: str | None, max_bytes: int | None
) -> None:
    if version is not None and _version(status) != version:
        raise changed(uri, version, _version(status))
    if max_bytes is not None and status.st_size > max_bytes:
        raise too_large(uri, status.st_size, max_bytes)


def _walk(folder: str, below: str, above: frozenset[str]) -> Iterator[ObjectInfo]:
    """Everything under `folder`; `above` holds the real paths of the folders around it."""
    real = os.path.realpath(folder)
    if real in above:  # A link to a folder that contains it.
        return
    with os.scandir(folder) as entries:
        ordered = sorted(entries, key=lambda entry: entry.name)
    for entry in ordered:
        key = below + entry.name
        if entry.is_dir():
            yield from _walk(entry.path, key + "/", above | {real})
        elif entry.is_file():
            try:
                status = entry.stat()
            except FileNotFoundError:  # Deleted since the folder was read.
                continue
            yield ObjectInfo(entry.path, key, status.st_size, _version(status))
