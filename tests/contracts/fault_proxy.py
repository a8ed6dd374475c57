"""A TCP proxy in front of a real server that breaks connections on demand."""

from __future__ import annotations

import contextlib
import socket
import threading
from typing import Self


class FaultProxy:
    """Forwards to 127.0.0.1:`upstream`; see `cut_next_reply` and `go_down`.

    Attributes:
        sent: Bytes of replies let through so far.
    """

    def __init__(self, upstream: int) -> None:
        self._upstream = upstream
        self._cuts: list[int] = []
        self._lock = threading.Lock()
        self._open: set[socket.socket] = set()
        self._listener: socket.socket | None = None
        self.port = 0
        self.sent = 0

    def __enter__(self) -> Self:
        self.come_up()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.go_down()

    @property
    def endpoint_url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def cut_next_reply(self, after: int, times: int = 1) -> None:
        """Close the connection after so many bytes of the next reply (0: drop it)."""
        with self._lock:
            self._cuts.extend([after] * times)

    def come_up(self) -> None:
        listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", self.port))
        listener.listen(64)
        self.port = listener.getsockname()[1]
        self._listener = listener
        threading.Thread(target=self._accept, args=(listener,), daemon=True).start()

    def go_down(self) -> None:
        """Refuse new connections and break all open ones, as a killed server does."""
        if self._listener is not None:
            with contextlib.suppress(OSError):
                self._listener.shutdown(socket.SHUT_RDWR)
            self._listener.close()
        for connection in list(self._open):
            _break(connection)

    def _accept(self, listener: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = listener.accept()
                server = socket.create_connection(("127.0.0.1", self._upstream))
                self._open |= {client, server}
                for one, other, is_reply in ((client, server, False), (server, client, True)):
                    threading.Thread(
                        target=self._pump, args=(one, other, is_reply), daemon=True
                    ).start()

    def _pump(self, source: socket.socket, target: socket.socket, is_reply: bool) -> None:
        left: int | None = None
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                if is_reply:
                    with self._lock:
                        if left is None and self._cuts:
                            left = self._cuts.pop(0)
                    if left is not None:
                        data, left = data[:left], max(0, left - len(data))
                    self.sent += len(data)
                target.sendall(data)
                if left == 0:
                    break
        _break(source)
        _break(target)


def _break(connection: socket.socket) -> None:
    with contextlib.suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)
    connection.close()
