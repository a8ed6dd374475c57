"""Connections to web servers: each goes to an IP address that was checked, and to no other.

A name is resolved once for a connection, and the socket is made to the very address that was
checked. A name server that answers otherwise the next time ("rebinding") gains nothing.
"""

from __future__ import annotations

import functools
import io
import ipaddress
import socket
import ssl
import time
from collections.abc import Callable, Sequence
from http.client import HTTPResponse
from typing import Any

from urllib3.connection import HTTPConnection, HTTPSConnection

from operators.storage.http_address import HttpAddress, bad_address

CONNECT_TIMEOUT_S = 10.0
READ_TIMEOUT_S = 60.0

IPAddress = ipaddress.IPv4Address | ipaddress.IPv6Address
IPNetwork = ipaddress.IPv4Network | ipaddress.IPv6Network
Resolve = Callable[..., Sequence[tuple[Any, ...]]]
"""Like `socket.getaddrinfo`."""

_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
_V4_COMPATIBLE = ipaddress.IPv6Network("::/96")
_GLOBAL_V6 = ipaddress.IPv6Network("2000::/3")
"""All that is handed out for the Internet; older Pythons count more as global."""
_SPECIAL = tuple(map(ipaddress.ip_network, ("192.0.0.0/24", "192.88.99.0/24", "3fff::/20")))
"""Kept for protocols and documentation; not every Python knows."""


class Deadline:
    """A moment after which nothing is waited for.

    Args:
        seconds: From now.
    """

    def __init__(self, seconds: float) -> None:
        self._at = time.monotonic() + seconds

    def left_s(self, most: float) -> float:
        """Seconds left, but at most so many. Raises TimeoutError if there are none."""
        left = self._at - time.monotonic()
        if left <= 0:
            raise TimeoutError("storage.timeout_s ran out")
        return min(left, most)


def is_allowed(ip: IPAddress, private: Sequence[IPNetwork]) -> bool:
    """Whether an IP address may be connected to: a public one, or one of `private`."""
    if isinstance(ip, ipaddress.IPv6Address) and ip.ipv4_mapped is not None:
        ip = ip.ipv4_mapped
    if any(ip in network for network in private):
        return True
    return _is_public(ip) and all(_is_public(inner) for inner in _carried(ip))


def _is_public(ip: IPAddress) -> bool:
    if ip.version == 6 and ip not in _GLOBAL_V6:
        # Of a NAT64 address the IPv4 address that it carries decides.
        return ip in _NAT64
    special = ip.is_private or ip.is_loopback or ip.is_link_local or ip.is_multicast
    special = special or ip.is_reserved or ip.is_unspecified
    return ip.is_global and not special and not any(ip in one for one in _SPECIAL)


def _carried(ip: IPAddress) -> list[ipaddress.IPv4Address]:
    """The IPv4 addresses that a gateway would make of an IPv6 one."""
    if isinstance(ip, ipaddress.IPv4Address):
        return []
    found = [ip.sixtofour, *(ip.teredo or ())]
    if ip in _NAT64 or ip in _V4_COMPATIBLE:
        found.append(ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF))
    return [inner for inner in found if inner is not None]


class _TimedBytes(io.RawIOBase):
    """A socket's bytes; each wait for them is cut at the deadline."""

    def __init__(self, raw: io.RawIOBase, sock: socket.socket, deadline: Deadline) -> None:
        self._raw = raw
        self._sock = sock
        self._deadline = deadline

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        self._sock.settimeout(self._deadline.left_s(READ_TIMEOUT_S))
        return self._raw.readinto(buffer)

    def close(self) -> None:
        self._raw.close()
        super().close()


class _TimedReply(HTTPResponse):
    """A reply that a server cannot draw out, byte by byte, beyond the deadline."""

    def __init__(self, sock: socket.socket, *args: Any, deadline: Deadline, **kw: Any) -> None:
        super().__init__(sock, *args, **kw)
        raw = self.fp.detach()
        self.fp = io.BufferedReader(_TimedBytes(raw, sock, deadline))


class _PlainConnection(HTTPConnection):
    dial: Callable[[], socket.socket]

    def _new_conn(self) -> socket.socket:
        return self.dial()


class _TlsConnection(HTTPSConnection):
    dial: Callable[[], socket.socket]

    def _new_conn(self) -> socket.socket:
        return self.dial()


class Network:
    """Makes connections. Thread-safe.

    Proxies of the environment are not used: they would resolve names themselves.

    Args:
        private: Networks that may be reached although they are not public.
        resolve: Finds the addresses of a name.
    """

    def __init__(
        self, private: Sequence[IPNetwork], resolve: Resolve = socket.getaddrinfo
    ) -> None:
        self._private = tuple(private)
        self._resolve = resolve
        self._tls = ssl.create_default_context()

    def connection(self, address: HttpAddress, deadline: Deadline) -> HTTPConnection:
        """A connection for one request; it connects when that is sent."""
        timeout_s = deadline.left_s(READ_TIMEOUT_S)
        made: _PlainConnection | _TlsConnection
        if address.scheme == "https":
            made = _TlsConnection(
                address.host, address.port, timeout=timeout_s, ssl_context=self._tls
            )
        else:
            made = _PlainConnection(address.host, address.port, timeout=timeout_s)
        made.dial = functools.partial(self._dial, address, deadline)
        made.response_class = functools.partial(  # type: ignore[assignment]
            _TimedReply, deadline=deadline
        )
        return made

    def _dial(self, address: HttpAddress, deadline: Deadline) -> socket.socket:
        trouble: OSError | None = None
        for family, place in self._checked(address):
            sock = socket.socket(family, socket.SOCK_STREAM)
            try:
                sock.settimeout(deadline.left_s(CONNECT_TIMEOUT_S))
                sock.connect(place)
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                # A TLS handshake comes next, under this limit.
                sock.settimeout(deadline.left_s(READ_TIMEOUT_S))
            except OSError as error:
                sock.close()
                trouble = error
            else:
                return sock
        raise trouble or OSError(f"{address.host} has no address")

    def _checked(self, address: HttpAddress) -> list[tuple[int, Any]]:
        """Family and socket address of each allowed address of a host, from one answer."""
        found = self._resolve(address.host, address.port, type=socket.SOCK_STREAM)
        allowed, refused = [], []
        for family, _, _, _, place in found:
            # A zone (fe80::1%eth0) stands after the address.
            ip = ipaddress.ip_address(str(place[0]).partition("%")[0])
            if is_allowed(ip, self._private):
                allowed.append((family, place))
            else:
                refused.append(str(ip))
        if refused and not allowed:
            raise bad_address(
                f"{address.origin} is at {', '.join(dict.fromkeys(refused))}, no public "
                "address, so it is not asked; if it is yours, add its network to "
                "storage.http.private_networks"
            )
        return allowed
