"""A proxy that makes a store on this machine as far away as one across a network."""

from __future__ import annotations

import contextlib
import multiprocessing
import socket
import threading
import time
from dataclasses import dataclass
from multiprocessing.sharedctypes import Synchronized
from typing import Self

CHUNK_BYTES = 1 << 17


@dataclass(frozen=True)
class Distance:
    """How far away.

    Attributes:
        latency_s: Added to each request.
        bytes_per_s: Of all replies together, at most.
    """

    latency_s: float = 0.030
    bytes_per_s: float = 100e6


class FarAway:
    """Forwards to a server on 127.0.0.1, late and slowly, in a process of its own.

    Args:
        upstream: The server's port.
        distance: How far away it seems.
    """

    def __init__(self, upstream: int, distance: Distance) -> None:
        self._context = multiprocessing.get_context("spawn")
        self._requests = self._context.Value("q", 0)
        self._sent = self._context.Value("q", 0)
        self._port = self._context.Queue()
        counters = self._requests, self._sent
        self._process = self._context.Process(
            target=_serve, args=(upstream, distance, self._port, *counters), daemon=True
        )
        self.port = 0

    def __enter__(self) -> Self:
        self._process.start()
        self.port = self._port.get(timeout=60)
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._process.kill()
        self._process.join()

    @property
    def endpoint_url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def requests(self) -> int:
        """Made so far."""
        return self._requests.value

    @property
    def sent(self) -> int:
        """Bytes of replies so far, headers included."""
        return self._sent.value


class _Pacer:
    """Lets so many bytes a second through, of all threads together."""

    def __init__(self, bytes_per_s: float) -> None:
        self._bytes_per_s = bytes_per_s
        self._free_at = 0.0
        self._lock = threading.Lock()

    def wait_for(self, count: int) -> None:
        with self._lock:
            now = time.monotonic()
            self._free_at = max(self._free_at, now) + count / self._bytes_per_s
            pause = self._free_at - now
        if pause > 0.001:
            time.sleep(pause)


def _serve(
    upstream: int,
    distance: Distance,
    port: multiprocessing.Queue,
    requests: Synchronized,
    sent: Synchronized,
) -> None:
    pacer = _Pacer(distance.bytes_per_s)
    with socket.create_server(("127.0.0.1", 0), backlog=64) as listener:
        port.put(listener.getsockname()[1])
        while True:
            near, _ = listener.accept()
            far = socket.create_connection(("127.0.0.1", upstream))
            for one in (near, far):
                one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for work in (
                lambda a=near, b=far: _forward(a, b, distance.latency_s, requests),
                lambda a=far, b=near: _answer(a, b, pacer, sent),
            ):
                threading.Thread(target=work, daemon=True).start()


def _forward(
    near: socket.socket, far: socket.socket, late_s: float, requests: Synchronized
) -> None:
    """A request without a body comes in one piece; it is passed on later."""
    with contextlib.suppress(OSError):
        while data := near.recv(CHUNK_BYTES):
            with requests.get_lock():
                requests.value += 1
            time.sleep(late_s)
            far.sendall(data)
    _hang_up(far)


def _answer(far: socket.socket, near: socket.socket, pacer: _Pacer, sent: Synchronized) -> None:
    with contextlib.suppress(OSError):
        while data := far.recv(CHUNK_BYTES):
            pacer.wait_for(len(data))
            near.sendall(data)
            with sent.get_lock():
                sent.value += len(data)
    _hang_up(near)


def _hang_up(one: socket.socket) -> None:
    with contextlib.suppress(OSError):
        one.shutdown(socket.SHUT_WR)
