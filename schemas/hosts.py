"""Hosts that media may come from: exact names, IP addresses, and ``*.suffix``."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass

_LABEL = r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?"
_NAME = re.compile(rf"{_LABEL}(?:\.{_LABEL})*")
_PORT = re.compile(r"[0-9]{1,5}")
MAX_NAME_CHARS = 253


def normal_host(text: str) -> str:
    """A host in the one form that is compared: lower case, no final dot, no brackets.

    Raises:
        ValueError: If it is no plain host name and no IP address in its usual form. Other
            spellings of addresses (``0x7f000001``, ``2130706433``, ``127.1``) are none.
    """
    if not text.isascii():
        raise ValueError("expected a host in ASCII; write an international name as xn--...")
    if text.startswith("[") and text.endswith("]"):
        return str(_ipv6(text[1:-1]))
    name = text.lower().removesuffix(".")
    if not _NAME.fullmatch(name) or len(name) > MAX_NAME_CHARS:
        raise ValueError("expected a host name, an IPv4 address, or an IPv6 one in brackets")
    last = name.rpartition(".")[2]
    if last.isdigit() or re.fullmatch(r"0x[0-9a-f]*", last):
        # Resolvers read such names as IPv4 addresses, in forms that people do not see through.
        return _ipv4(name)
    return name


def _ipv4(text: str) -> str:
    try:
        return str(ipaddress.IPv4Address(text))
    except ValueError:
        raise ValueError("expected an IPv4 address as four numbers, like 192.0.2.7") from None


def _ipv6(text: str) -> ipaddress.IPv6Address:
    if "%" in text:
        raise ValueError("expected an IPv6 address without a zone")
    try:
        return ipaddress.IPv6Address(text)
    except ValueError:
        raise ValueError("expected an IPv6 address in the brackets") from None


def split_port(text: str) -> tuple[str, int | None]:
    """Host and port of ``host[:port]``.

    Raises:
        ValueError: If the port is no number from 1 to 65535.
    """
    colon = text.rfind(":")
    if colon < 0 or text.endswith("]"):
        return text, None
    digits = text[colon + 1 :]
    if not _PORT.fullmatch(digits) or not 1 <= int(digits) <= 65535:
        raise ValueError("expected a port from 1 to 65535 after the colon")
    return text[:colon], int(digits)


@dataclass(frozen=True)
class HostPattern:
    """One entry of the list of hosts.

    Attributes:
        host: The host, or what follows ``*.``; in its normal form.
        below: Whether it stands for every name below `host`, but not for `host` itself.
        port: The one port; None means the scheme's own.
    """

    host: str
    below: bool
    port: int | None

    @staticmethod
    def parse(text: str) -> HostPattern:
        """Read ``host``, ``*.suffix`` or one of them with ``:port``; raises ValueError."""
        name, port = split_port(text)
        below = name.startswith("*.")
        host = normal_host(name.removeprefix("*."))
        if below and ("." not in host or ":" in host or host[-1].isdigit()):
            raise ValueError("expected *. before a name of two parts or more: *.example.com")
        return HostPattern(host, below, port)

    def matches(self, host: str, port: int, default_port: int) -> bool:
        """Whether a host in its normal form, on a port, is meant."""
        if port != (default_port if self.port is None else self.port):
            return False
        return host.endswith("." + self.host) if self.below else host == self.host
