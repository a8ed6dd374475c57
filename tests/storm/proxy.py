"""An HTTP proxy before a real S3 server, which knows requests and spoils some of them."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from tests.storm.faults import Fault, Request, Schedule

HEAD_LIMIT = 1 << 17
DRIP_BYTES = 100
DRIP_PAUSE_S = 0.1
_NO_LINGER = struct.pack("ii", 1, 0)
_ERRORS = {
    Fault.SLOW_DOWN: (503, "SlowDown", "Please reduce your request rate."),
    Fault.SKEWED: (
        403,
        "RequestTimeTooSkewed",
        "The difference between the request time and the current time is too large.",
    ),
    Fault.NOT_IMPLEMENTED: (501, "NotImplemented", "A header implies what is not there."),
    Fault.BAD_PAGE: (500, "InternalError", "We encountered an internal error."),
}


class StormProxy:
    """A proxy in a thread of its own.

    Args:
        upstream: Port of the server on 127.0.0.1.
        schedule: What goes wrong, and then what has gone wrong.
        ignored: Headers that the server never gets to see, in small letters.
    """

    def __init__(
        self, upstream: int, schedule: Schedule, ignored: frozenset[str] = frozenset()
    ) -> None:
        self.schedule = schedule
        self.port = 0
        self._relay = _Relay(upstream, schedule, ignored)
        self._loop = asyncio.new_event_loop()
        self._over = asyncio.Event()
        self._is_up = threading.Event()
        self._thread = threading.Thread(target=self._run, name="storm", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        if not self._is_up.wait(60):
            raise TimeoutError("the proxy did not come up")
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._loop.call_soon_threadsafe(self._over.set)
        self._thread.join()

    @property
    def endpoint_url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def _run(self) -> None:
        with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
            runner.run(self._serve())

    async def _serve(self) -> None:
        server = await asyncio.start_server(
            self._relay.client, "127.0.0.1", 0, limit=HEAD_LIMIT
        )
        self.port = server.sockets[0].getsockname()[1]
        self._is_up.set()
        await self._over.wait()
        server.close()


@dataclass
class _Message:
    """A request or reply, read whole."""

    first: str
    headers: list[tuple[str, str]]
    body: bytes

    def header(self, name: str) -> str | None:
        return next((value for key, value in self.headers if key.lower() == name), None)

    def head(self, changes: Mapping[str, str] | None = None) -> bytes:
        """First line and headers, some of them replaced."""
        changes = changes or {}
        lines = [f"{k}: {changes.get(k.lower(), v)}" for k, v in self.headers]
        return ("\r\n".join([self.first, *lines]) + "\r\n\r\n").encode("latin-1")


class _Relay:
    """Takes connections of clients, each with one to the server behind it."""

    def __init__(self, upstream: int, schedule: Schedule, ignored: frozenset[str]) -> None:
        self._upstream = upstream
        self._schedule = schedule
        self._ignored = ignored
        self._running: set[asyncio.Task[None] | None] = set()

    async def client(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # The loop itself does not keep a task that waits.
        self._running.add(task := asyncio.current_task())
        try:
            await self._converse(reader, writer)
        except asyncio.CancelledError:
            pass  # The proxy ends; asyncio would print a traceback for each client.
        finally:
            self._running.discard(task)

    async def _converse(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        writer.transport.set_write_buffer_limits(0)
        there = await asyncio.open_connection("127.0.0.1", self._upstream, limit=HEAD_LIMIT)
        try:
            while await self._exchange(reader, writer, *there):
                pass
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            for end in (there[1], writer):
                with contextlib.suppress(OSError):
                    end.close()

    async def _exchange(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        from_server: asyncio.StreamReader,
        to_server: asyncio.StreamWriter,
    ) -> bool:
        """One request and its reply; answers whether the connection goes on."""
        asked = await _read(reader)
        method, target, _ = asked.first.split(" ", 2)
        request = Request(method, target, {k.lower(): v for k, v in asked.headers})
        fault = self._schedule.draw(request)
        if fault in _ERRORS:
            writer.write(_error(*_ERRORS[fault], has_body=method != "HEAD"))
            await writer.drain()
            return True
        asked.headers = [(k, v) for k, v in asked.headers if k.lower() not in self._ignored]
        to_server.write(asked.head() + asked.body)
        await to_server.drain()
        reply = await _read(from_server, to=method)
        return await _answer(writer, reply, fault)


async def _answer(writer: asyncio.StreamWriter, reply: _Message, fault: Fault | None) -> bool:
    half = reply.body[: len(reply.body) // 2]
    match fault:
        case None:
            writer.write(reply.head() + reply.body)
        case Fault.OTHER_ETAG:
            writer.write(reply.head({"etag": '"replaced"'}) + reply.body)
        case Fault.SHORT if reply.first.split()[1] in ("200", "206"):
            writer.write(reply.head({"content-length": str(len(half))}) + half)
        case Fault.SHORT:
            writer.write(reply.head() + reply.body)
        case Fault.DRIP:
            writer.write(reply.head())
            for start in range(0, len(reply.body), DRIP_BYTES):
                writer.write(reply.body[start : start + DRIP_BYTES])
                await writer.drain()
                await asyncio.sleep(DRIP_PAUSE_S)
        case Fault.CUT | Fault.RESET:
            writer.write(reply.head() + half)
            await writer.drain()
            if fault is Fault.RESET:
                connection: Any = writer.get_extra_info("socket")
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)
            return False
        case _:
            return False
    await writer.drain()
    return True


async def _read(reader: asyncio.StreamReader, to: str | None = None) -> _Message:
    """Read one message; of a reply it must be known to which method it is."""
    head = await reader.readuntil(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").rstrip("\r\n").split("\r\n")
    pairs = [line.partition(":")[::2] for line in lines]
    message = _Message(first, [(name, value.strip()) for name, value in pairs], b"")
    has_none = to == "HEAD" or (to and first.split()[1] in ("204", "304"))
    if has_none:
        return message
    if (message.header("transfer-encoding") or "").lower() == "chunked":
        message.body = await _read_chunks(reader)
        message.headers = [
            (name, value)
            for name, value in message.headers
            if name.lower() != "transfer-encoding"
        ] + [("Content-Length", str(len(message.body)))]
        return message
    message.body = await reader.readexactly(int(message.header("content-length") or 0))
    return message


async def _read_chunks(reader: asyncio.StreamReader) -> bytes:
    body = bytearray()
    while True:
        size = int((await reader.readuntil(b"\r\n")).split(b";")[0], 16)
        piece = await reader.readexactly(size + 2)
        if not size:
            return bytes(body)
        body += piece[:-2]


def _error(status: int, code: str, message: str, *, has_body: bool) -> bytes:
    body = (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        f"<Error><Code>{code}</Code><Message>{message}</Message></Error>"
    ).encode()
    head = f"HTTP/1.1 {status} {code}\r\nContent-Type: application/xml\r\n"
    length = f"Content-Length: {len(body) if has_body else 0}\r\n\r\n"
    return (head + length).encode() + (body if has_body else b"")
