"""Addresses of media on web servers, read strictly: what is checked is what is asked."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import quote, urljoin

from schemas.failure import FailureCode, ItemFailure, Stage
from schemas.hosts import normal_host, split_port

DEFAULT_PORTS = {"http": 80, "https": 443}
_AUTHORITY_END = re.compile(r"[/?#]")
_CONTROL = re.compile(r"[\x00-\x1f\x7f\\]")
# What is percent-encoded already stays as it is.
_KEPT = "/?%:@!$&'()*+,;=-._~[]"


def bad_address(words: str) -> ItemFailure:
    """The failure for an address that is not asked."""
    return ItemFailure(Stage.FETCH, FailureCode.BAD_ADDRESS, words)


@dataclass(frozen=True)
class HttpAddress:
    """One address, taken apart.

    Attributes:
        scheme: ``http`` or ``https``.
        host: In its normal form (`schemas.hosts.normal_host`).
        port: The port, the scheme's own if none is written.
        target: Path and query, percent-encoded; begins with a slash.
    """

    scheme: str
    host: str
    port: int
    target: str

    @property
    def default_port(self) -> int:
        """The scheme's own port."""
        return DEFAULT_PORTS[self.scheme]

    @property
    def origin(self) -> str:
        """``scheme://host[:port]``, for messages: queries may hold signatures."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}" + (
            "" if self.port == self.default_port else f":{self.port}"
        )

    @property
    def name(self) -> str:
        """The last part of the path."""
        return self.target.partition("?")[0].rpartition("/")[2]

    def redirected(self, location: str) -> HttpAddress:
        """Where a reply's Location leads.

        Raises:
            ItemFailure: If it is no address, or would leave https for http.
        """
        # Headers are read as Latin-1, but what is not ASCII in them is UTF-8 today.
        location = location.encode("latin-1", "replace").decode("utf-8", "replace")
        try:
            joined = urljoin(self.origin + self.target, location)
        except ValueError as error:
            raise bad_address(
                f"{self.origin} redirects to what is no address ({error})"
            ) from error
        target = parse_address(joined, f"the target that {self.origin} redirects to")
        if self.scheme == "https" and target.scheme == "http":
            raise bad_address(
                f"{self.origin} redirects to {target.origin}, from https down to http, which "
                "is refused; list an address that stays with https"
            )
        return target


def parse_address(uri: str, called: str | None = None) -> HttpAddress:
    """Take an address apart.

    Args:
        uri: ``http://`` or ``https://``, host, and so on.
        called: What messages call it, in place of the address itself.

    Raises:
        ItemFailure: BAD_ADDRESS, if it is anything else.
    """
    scheme, separator, rest = uri.partition("://")
    scheme = scheme.lower()
    place = _AUTHORITY_END.search(rest)
    authority = rest[: place.start()] if place else rest
    if "@" in authority:
        # The password must not get into tables and logs.
        words = called or f"an address at {authority.rpartition('@')[2]}"
        raise bad_address(f"{words} holds a user name or password; give it without them")
    shown = called or repr(uri)
    if not separator or scheme not in DEFAULT_PORTS:
        raise bad_address(f"{shown}: expected http://host/path or https://host/path")
    if _CONTROL.search(uri):
        raise bad_address(f"{shown} holds control characters or backslashes; encode them")
    try:
        name, port = split_port(authority)
        host = normal_host(name)
    except ValueError as error:
        raise bad_address(f"{shown}: {error}, not {authority!r}") from error
    tail = rest[len(authority) :].partition("#")[0]
    if not tail.startswith("/"):
        tail = "/" + tail
    encoded = quote(tail.encode("utf-8", "replace"), safe=_KEPT)
    return HttpAddress(scheme, host, port or DEFAULT_PORTS[scheme], encoded)
