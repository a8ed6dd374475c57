"""S3 and what speaks its language: MinIO, Ceph and the like."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, BinaryIO

from botocore.exceptions import ClientError

from operators.storage import s3_errors
from operators.storage.base import (
    ObjectInfo,
    PutResult,
    changed,
    check_range,
    past_the_end,
    too_large,
    write_chunk,
)
from operators.storage.ranged import HEAD_BYTES, REQUESTS, RangedFile
from operators.storage.retry import Retry
from operators.storage.s3_body import Wholeness, pieces, whole_size
from operators.storage.s3_client import make_client
from operators.storage.s3_errors import FOREIGN, ShortBody, Trouble, sort_out
from schemas.failure import UsageError
from schemas.job import StorageSpec

PAGE_KEYS = 1000


def split_uri(uri: str) -> tuple[str, str]:
    """Bucket and raw key of ``s3://bucket/key``; raises `UsageError` for anything else."""
    scheme, _, rest = uri.partition("://")
    bucket, _, key = rest.partition("/")
    if scheme != "s3" or not bucket:
        raise UsageError(f"{uri!r} is no S3 address; expected s3://bucket/key")
    return bucket, key


def _complete(reply: dict[str, Any], field: str) -> dict[str, Any]:
    """The reply, if it has a field that every whole one has.

    A connection that breaks within the headers looks to the HTTP client like a reply with
    few headers and no body: a listing would seem empty.
    """
    if field not in reply:
        raise ShortBody(f"the reply broke off before its {field}")
    return reply


def _etag(reply: dict[str, Any]) -> str:
    return reply.get("ETag", "").strip('"')


class S3Store:
    """A `Store` over boto3; one client, shared by all threads."""

    def __init__(self, spec: StorageSpec) -> None:
        self._client = make_client(spec)
        self._retry = Retry(spec.timeout_s, s3_errors.is_transient)
        self._ranges = ThreadPoolExecutor(REQUESTS, thread_name_prefix="ranges")
        self._wholeness = Wholeness(lambda uri: self._head(uri)["ContentLength"])

    def list(self, uri: str) -> Iterator[ObjectInfo]:
        """See `Store.list`. ``s3://bucket/a`` is the object ``a`` and all below ``a/``."""
        bucket, key = split_uri(uri)
        found = False
        if key and not key.endswith("/"):
            # Keys come sorted, so an object of this very name is the first of its prefix.
            for entry in self._page(uri, bucket, key, None, limit=1).get("Contents", []):
                if entry["Key"] == key:
                    found = True
                    yield _info(bucket, entry, key.rpartition("/")[2])
            key += "/"
        token: str | None = None
        while True:
            page = self._page(uri, bucket, key, token, limit=PAGE_KEYS)
            for entry in page.get("Contents", []):
                found = True
                if not entry["Key"].endswith("/"):
                    yield _info(bucket, entry, entry["Key"][len(key) :])
            token = page.get("NextContinuationToken")
            if not token:
                break
        if key and not found:
            raise UsageError(
                f"cannot list {uri}: the bucket {bucket!r} has no object of that name and "
                f"none below {key!r}; check the prefix (it must be a whole folder's name)"
            )

    def _page(
        self, uri: str, bucket: str, prefix: str, token: str | None, *, limit: int
    ) -> dict[str, Any]:
        arguments = {"Bucket": bucket, "Prefix": prefix, "MaxKeys": limit}
        if token:
            arguments["ContinuationToken"] = token
        call = self._client.list_objects_v2
        try:
            return self._retry(lambda _: _complete(call(**arguments), "IsTruncated"))
        except FOREIGN as error:
            raise s3_errors.job_error("list", uri, error) from error

    def head(self, uri: str) -> ObjectInfo:
        """See `Store.head`."""
        key = split_uri(uri)[1]
        try:
            reply = self._retry(lambda _: self._head(uri))
        except FOREIGN as error:
            raise s3_errors.item_failure(uri, error) from error
        return ObjectInfo(uri, key.rpartition("/")[2], reply["ContentLength"], _etag(reply))

    def _head(self, uri: str) -> dict[str, Any]:
        bucket, key = split_uri(uri)
        return _complete(self._client.head_object(Bucket=bucket, Key=key), "ContentLength")

    def get(
        self, uri: str, *, version: str | None = None, max_bytes: int | None = None
    ) -> bytes:
        """See `Store.get`."""
        check = self._wholeness.reader(uri)

        def attempt(_: int) -> bytes:
            check.restart()
            reply = self._request(uri, version, 0)
            memory = io.BytesIO()
            with contextlib.closing(reply["Body"]) as body:
                size = _complete(reply, "ContentLength")["ContentLength"]
                if max_bytes is not None and size > max_bytes:
                    raise too_large(uri, size, max_bytes)
                for piece in pieces(body):
                    memory.write(piece)
                    check.take(piece)
            if check.size != size:
                raise ShortBody(f"{check.size} of {size} bytes came")
            check.require_whole(reply)
            return memory.getvalue()

        return self._read(uri, version, attempt)

    def get_range(
        self, uri: str, offset: int, size: int, *, version: str | None = None
    ) -> bytes:
        """See `Store.get_range`."""
        check_range(offset, size)
        wanted = f"bytes {offset}-{offset + size - 1}/"

        def attempt(_: int) -> bytes:
            try:
                reply = self._request(uri, version, offset, offset + size - 1)
            except ClientError as error:
                if s3_errors.is_past_the_end(error):
                    raise past_the_end(uri, offset, size) from error
                raise
            with contextlib.closing(reply["Body"]) as body:
                there = _complete(reply, "ContentRange")["ContentRange"]
                if "/" not in there:
                    raise ShortBody("the reply broke off within its ContentRange")
                if not there.startswith(wanted):
                    raise past_the_end(uri, offset, size)
                data = b"".join(pieces(body))
            if len(data) != size:
                raise ShortBody(f"{len(data)} of {size} bytes came")
            return data

        return self._read(uri, version, attempt)

    def open(
        self, uri: str, *, version: str | None = None, max_bytes: int | None = None
    ) -> BinaryIO:
        """See `Store.open`."""
        head, size, pinned = self._head_of(uri, version)
        if max_bytes is not None and size > max_bytes:
            raise too_large(uri, size, max_bytes)

        def fetch(offset: int, count: int) -> bytes:
            return self.get_range(uri, offset, count, version=pinned)

        return RangedFile(fetch, size, self._ranges, head)

    def _head_of(self, uri: str, version: str | None) -> tuple[bytes, int, str]:
        """The first bytes of an object, how many it has in all, and its version."""

        def attempt(_: int) -> tuple[bytes, int, str]:
            try:
                reply = self._request(uri, version, 0, HEAD_BYTES - 1)
            except ClientError as error:
                if s3_errors.is_past_the_end(error):  # It is empty: no range is in it.
                    return b"", 0, version or ""
                raise
            with contextlib.closing(reply["Body"]) as body:
                data = b"".join(pieces(body))
            if len(data) != _complete(reply, "ContentLength")["ContentLength"]:
                raise ShortBody(f"{len(data)} bytes came of the first {HEAD_BYTES}")
            size = whole_size(reply, 0)
            if len(data) not in (size, HEAD_BYTES):
                raise ShortBody(f"{len(data):,} bytes came of an object of {size:,}")
            return data, size, _etag(reply)

        return self._read(uri, version, attempt)

    def fetch_to(
        self,
        uri: str,
        file: BinaryIO,
        *,
        version: str | None = None,
        max_bytes: int | None = None,
    ) -> int:
        """See `Store.fetch_to`. A cut transfer goes on where it stopped."""
        base, pinned = file.tell(), version
        check = self._wholeness.reader(uri)

        def attempt(_: int) -> int:
            nonlocal pinned
            reply = self._request(uri, pinned, check.size)
            with contextlib.closing(reply["Body"]) as body:
                size = whole_size(_complete(reply, "ContentLength"), check.size)
                if max_bytes is not None and size > max_bytes:
                    raise too_large(uri, size, max_bytes)
                # What was written so far must be continued with the same object only.
                pinned = pinned or _etag(reply)
                file.seek(base + check.size)
                file.truncate()
                for piece in pieces(body):
                    write_chunk(file, piece, uri)
                    check.take(piece)
            if check.size != size:
                raise ShortBody(f"{check.size} of {size} bytes came")
            try:
                check.require_whole(reply)
            except ShortBody:
                check.restart()
                pinned = version
                raise
            return size

        return self._read(uri, version, attempt)

    def _request(
        self, uri: str, version: str | None, offset: int, last: int | None = None
    ) -> dict[str, Any]:
        bucket, key = split_uri(uri)
        arguments = {"Bucket": bucket, "Key": key}
        if version:
            arguments["IfMatch"] = f'"{version}"'
        if offset or last is not None:
            arguments["Range"] = f"bytes={offset}-{'' if last is None else last}"
        reply = _complete(self._client.get_object(**arguments), "ETag")
        # Not every store minds the condition.
        if version and _etag(reply) != version:
            reply["Body"].close()
            raise changed(uri, version, _etag(reply))
        return reply

    def _read(self, uri: str, version: str | None, attempt: Any) -> Any:
        try:
            return self._retry(attempt)
        except FOREIGN as error:
            if sort_out(error) is Trouble.PRECONDITION:
                raise changed(uri, version or "at the first request") from error
            raise s3_errors.item_failure(uri, error) from error

    def put(self, uri: str, data: bytes, *, if_absent: bool = False) -> PutResult:
        """See `Store.put`."""
        bucket, key = split_uri(uri)
        arguments = {"Bucket": bucket, "Key": key, "Body": data}
        if if_absent:
            arguments["IfNoneMatch"] = "*"
        attempts = 0

        def attempt(number: int) -> None:
            nonlocal attempts
            attempts = number
            _complete(self._client.put_object(**arguments), "ETag")

        try:
            self._retry(attempt)
        except FOREIGN as error:
            if not (if_absent and sort_out(error) is Trouble.PRECONDITION):
                raise s3_errors.job_error("write", uri, error) from error
            # An earlier attempt may have been applied with its reply lost.
            if attempts == 1 or self.get(uri) != data:
                return PutResult.ALREADY_EXISTS
        return PutResult.WRITTEN

    def delete(self, uri: str) -> None:
        """See `Store.delete`."""
        bucket, key = split_uri(uri)
        try:
            self._retry(lambda _: self._client.delete_object(Bucket=bucket, Key=key))
        except FOREIGN as error:
            if sort_out(error) is not Trouble.NO_OBJECT:
                raise s3_errors.job_error("delete", uri, error) from error


def _info(bucket: str, entry: dict[str, Any], key: str) -> ObjectInfo:
    return ObjectInfo(f"s3://{bucket}/{entry['Key']}", key, entry["Size"], _etag(entry))
