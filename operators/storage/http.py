"""Web servers, for media that a manifest names: read only, from the hosts that are listed."""

from __future__ import annotations

import contextlib
import io
import ipaddress
import re
import socket
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import BinaryIO, NoReturn, TypeVar

from urllib3.response import BaseHTTPResponse

from operators.storage import http_errors
from operators.storage.base import (
    ObjectInfo,
    PutResult,
    changed,
    check_range,
    past_the_end,
    spooled,
    too_large,
    write_chunk,
)
from operators.storage.http_address import HttpAddress, bad_address, parse_address
from operators.storage.http_connection import Deadline, Network, Resolve
from operators.storage.http_errors import FOREIGN, BadStatus, ShortBody
from operators.storage.ranged import HEAD_BYTES, REQUESTS, RangedFile
from operators.storage.retry import Retry
from schemas.failure import FailureCode, ItemFailure, Stage, UsageError
from schemas.hosts import HostPattern
from schemas.job import StorageSpec

Result = TypeVar("Result")

CHUNK_BYTES = 1 << 16
MAX_REDIRECTS = 5
_RANGE_OF = re.compile(r"bytes 0-[0-9]+/([0-9]{1,18})")
PAST_THE_END = 416
REDIRECTS = (301, 302, 303, 307, 308)
NO_HEAD = (403, 405, 501)
"""What servers reply that do not serve HEAD, or whose signed addresses are for GET only."""
HEADERS = {"Accept": "*/*", "Accept-Encoding": "identity", "User-Agent": "tagline"}


class HttpStore:
    """A read-only `Store` over HTTP and HTTPS. Versions are ETags, else Last-Modified.

    Each request has a connection of its own, to an IP address that was checked. No
    credentials are sent, no proxies used, no compressed replies taken.

    Args:
        spec: How storage is reached; `StorageSpec.http` must be there.
        resolve: Finds the addresses of a name, like `socket.getaddrinfo`.

    Raises:
        UsageError: If the job does not allow HTTP.
    """

    def __init__(self, spec: StorageSpec, resolve: Resolve = socket.getaddrinfo) -> None:
        if spec.http is None:
            raise UsageError(
                "media over HTTP are off; to allow them list their hosts in the job file, "
                "like storage: {http: {hosts: [cdn.example.com]}}"
            )
        self._hosts = tuple(HostPattern.parse(host) for host in spec.http.hosts)
        private = [ipaddress.ip_network(one) for one in spec.http.private_networks]
        self._network = Network(private, resolve)
        self._timeout_s = spec.timeout_s
        self._ranges = ThreadPoolExecutor(REQUESTS, thread_name_prefix="ranges")
        self._retry = Retry(
            spec.timeout_s, http_errors.is_transient, asked_s=http_errors.asked_pause_s
        )

    def list(self, uri: str) -> Iterator[ObjectInfo]:
        """Web servers do not list: raises `UsageError`."""
        _refuse("list", uri)

    def put(self, uri: str, data: bytes, *, if_absent: bool = False) -> PutResult:
        """Nothing is written over HTTP: raises `UsageError`."""
        _refuse("write", uri)

    def delete(self, uri: str) -> None:
        """Nothing is deleted over HTTP: raises `UsageError`."""
        _refuse("delete", uri)

    def head(self, uri: str) -> ObjectInfo:
        """See `Store.head`; the size is None where the server does not say."""

        def attempt(method: str, deadline: Deadline) -> ObjectInfo:
            with self._reply(method, uri, deadline) as reply:
                name = parse_address(uri).name
                return ObjectInfo(uri, name, _announced(reply), _version(reply))

        def either(deadline: Deadline) -> ObjectInfo:
            try:
                return attempt("HEAD", deadline)
            except BadStatus as error:
                if error.status not in NO_HEAD:
                    raise
            return attempt("GET", deadline)

        return self._run(uri, either)

    def get(
        self, uri: str, *, version: str | None = None, max_bytes: int | None = None
    ) -> bytes:
        """See `Store.get`."""
        memory = io.BytesIO()
        self.fetch_to(uri, memory, version=version, max_bytes=max_bytes)
        return memory.getvalue()

    def get_range(
        self, uri: str, offset: int, size: int, *, version: str | None = None
    ) -> bytes:
        """See `Store.get_range`. Of a server without ranges, what comes before is read too."""
        check_range(offset, size)
        wanted = f"bytes {offset}-{offset + size - 1}/"
        headers = HEADERS | {"Range": f"bytes={offset}-{offset + size - 1}"}

        def attempt(deadline: Deadline) -> bytes:
            with self._reply("GET", uri, deadline, headers) as reply:
                if version is not None and _version(reply) != version:
                    raise changed(uri, version, _version(reply))
                if reply.status == PAST_THE_END:
                    raise past_the_end(uri, offset, size)
                if reply.status == 200:
                    _skip(reply, offset)
                elif not reply.headers.get("Content-Range", "").startswith(wanted):
                    raise past_the_end(uri, offset, size)
                data = b"".join(_chunks(reply, size))
                if len(data) == size:
                    return data
                announced = _announced(reply)
                if reply.status == 200 and announced is not None and announced < offset + size:
                    raise past_the_end(uri, offset, size)
                raise ShortBody(f"{len(data)} of {size} bytes came")

        return self._run(uri, attempt)

    def open(
        self, uri: str, *, version: str | None = None, max_bytes: int | None = None
    ) -> BinaryIO:
        """See `Store.open`. A server without ranges has the file read whole at once."""
        headers = HEADERS | {"Range": f"bytes=0-{HEAD_BYTES - 1}"}

        def attempt(deadline: Deadline) -> BinaryIO | None:
            with self._reply("GET", uri, deadline, headers) as reply:
                if version is not None and _version(reply) != version:
                    raise changed(uri, version, _version(reply))
                if reply.status == 200:
                    return spooled(lambda file: _copy(reply, file, uri, max_bytes))
                return self._ranged(uri, reply, max_bytes)

        return self._run(uri, attempt) or spooled(
            lambda file: self.fetch_to(uri, file, version=version, max_bytes=max_bytes)
        )

    def _ranged(
        self, uri: str, reply: BaseHTTPResponse, max_bytes: int | None
    ) -> RangedFile | None:
        """The file of which a reply holds the first bytes; None if no more can be asked for."""
        pinned = _version(reply)
        there = _RANGE_OF.fullmatch(reply.headers.get("Content-Range", "").strip())
        # Without a version the next request could meet another file.
        if not there or not pinned:
            return None
        size = int(there[1])
        if max_bytes is not None and size > max_bytes:
            raise too_large(uri, size, max_bytes)
        head = b"".join(_chunks(reply, HEAD_BYTES))
        if len(head) != min(size, HEAD_BYTES):
            raise ShortBody(f"the first {len(head)} bytes came of {size}")

        def fetch(offset: int, count: int) -> bytes:
            return self.get_range(uri, offset, count, version=pinned)

        return RangedFile(fetch, size, self._ranges, head)

    def fetch_to(
        self,
        uri: str,
        file: BinaryIO,
        *,
        version: str | None = None,
        max_bytes: int | None = None,
    ) -> int:
        """See `Store.fetch_to`. A cut transfer starts anew."""
        base = file.tell()

        def attempt(deadline: Deadline) -> int:
            file.seek(base)
            file.truncate()
            with self._reply("GET", uri, deadline) as reply:
                if version is not None and _version(reply) != version:
                    raise changed(uri, version, _version(reply))
                return _copy(reply, file, uri, max_bytes)

        return self._run(uri, attempt)

    def _run(self, uri: str, attempt: Callable[[Deadline], Result]) -> Result:
        deadline = Deadline(self._timeout_s)
        try:
            return self._retry(lambda _: attempt(deadline))
        except FOREIGN as error:
            raise http_errors.item_failure(uri, error) from error

    @contextlib.contextmanager
    def _reply(
        self, method: str, uri: str, deadline: Deadline, headers: Mapping[str, str] = HEADERS
    ) -> Iterator[BaseHTTPResponse]:
        """The reply that redirects end in. Each address on the way is checked."""
        address = parse_address(uri)
        for _ in range(MAX_REDIRECTS + 1):
            self._check_host(address)
            with contextlib.closing(self._network.connection(address, deadline)) as connection:
                connection.request(
                    method,
                    address.target,
                    headers=headers,
                    preload_content=False,
                    decode_content=False,
                )
                # Without the closing of the reply, its socket would stay open.
                with contextlib.closing(connection.getresponse()) as reply:
                    location = reply.headers.get("Location")
                    if reply.status not in REDIRECTS or not location:
                        _check(reply, uri, address, is_range="Range" in headers)
                        yield reply
                        return
            address = address.redirected(location)
        raise bad_address(f"{uri} redirects more than {MAX_REDIRECTS} times; check the address")

    def _check_host(self, address: HttpAddress) -> None:
        ports = address.port, address.default_port
        if not any(pattern.matches(address.host, *ports) for pattern in self._hosts):
            raise bad_address(
                f"{address.origin} is not asked: its host is not allowed; add "
                f"{address.origin.partition('://')[2]!r} to storage.http.hosts to allow it"
            )


def _refuse(action: str, uri: str) -> NoReturn:
    raise UsageError(
        f"cannot {action} {uri}: over HTTP only the media that a manifest names are read; "
        "use s3://bucket/prefix or a local path"
    )


def _version(reply: BaseHTTPResponse) -> str:
    etag = reply.headers.get("ETag", "").strip().removeprefix("W/").strip('"')
    return etag or reply.headers.get("Last-Modified", "")


def _announced(reply: BaseHTTPResponse) -> int | None:
    """The body's length, if the reply has one that counts."""
    if reply.headers.get("Transfer-Encoding"):
        return None
    length = reply.headers.get("Content-Length", "").strip()
    return int(length) if re.fullmatch(r"[0-9]{1,18}", length) else None


def _check(reply: BaseHTTPResponse, uri: str, address: HttpAddress, *, is_range: bool) -> None:
    if reply.status not in ((200, 206, PAST_THE_END) if is_range else (200,)):
        raise BadStatus(address.origin, reply.status, reply.headers.get("Retry-After"))
    encoding = reply.headers.get("Content-Encoding", "").strip().lower()
    if encoding not in ("", "identity"):
        raise ItemFailure(
            Stage.FETCH,
            FailureCode.FORMAT_NOT_ALLOWED,
            f"{uri} came with Content-Encoding {encoding!r} although none was asked for; "
            "it is not unpacked, have the server send the file as it is",
        )


def _chunks(reply: BaseHTTPResponse, size: int) -> Iterator[bytes]:
    """The next `size` bytes of the body, or as many as there are."""
    while size and (chunk := reply.read1(min(CHUNK_BYTES, size), decode_content=False)):
        size -= len(chunk)
        yield chunk


def _skip(reply: BaseHTTPResponse, size: int) -> None:
    for _ in _chunks(reply, size):
        pass


def _copy(reply: BaseHTTPResponse, file: BinaryIO, uri: str, max_bytes: int | None) -> int:
    announced, done = _announced(reply), 0
    if max_bytes is not None and announced is not None and announced > max_bytes:
        raise too_large(uri, announced, max_bytes)
    while chunk := reply.read1(CHUNK_BYTES, decode_content=False):
        done += len(chunk)
        # The announced length may be a lie, or missing.
        if max_bytes is not None and done > max_bytes:
            raise too_large(uri, done, max_bytes)
        write_chunk(file, chunk, uri)
    if announced is not None and done != announced:
        raise ShortBody(f"{done} of {announced} bytes came")
    return done
