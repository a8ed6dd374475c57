"""Which requests go wrong, and how: drawn from a seed, and the same whoever comes first."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from urllib.parse import parse_qs, urlsplit


class Fault(StrEnum):
    """What a proxy does to a request or its reply."""

    SLOW_DOWN = "slow_down"
    """503 SlowDown, to this request and the next ones of whoever asks: a storm."""
    SKEWED = "skewed"
    """403 RequestTimeTooSkewed."""
    BAD_PAGE = "bad_page"
    """500 to the continuation of a listing."""
    RESET = "reset"
    """The connection is reset in mid-body."""
    CUT = "cut"
    """The connection is closed before the announced length has come."""
    SHORT = "short"
    """Half of the body comes, and the length that is announced is that of the half."""
    DRIP = "drip"
    """The body comes at 1 kB/s."""
    OTHER_ETAG = "other_etag"
    """The reply is that of an object which was replaced since."""
    LOST_REPLY = "lost_reply"
    """A write is applied, and the connection closed without a word."""
    NOT_IMPLEMENTED = "not_implemented"
    """501 to a write with a condition."""


STORM_LENGTH = 5
_BUCKET = re.compile("^/[^/?]+")


@dataclass(frozen=True)
class Request:
    """A request as far as faults depend on it."""

    method: str
    target: str
    headers: Mapping[str, str]

    @property
    def path(self) -> str:
        return urlsplit(self.target).path

    @property
    def below_bucket(self) -> str:
        """The target without the bucket, whose name is another in each test."""
        return _BUCKET.sub("", self.target, count=1)

    @property
    def is_listing(self) -> bool:
        return self.method == "GET" and "list-type" in self.query

    @property
    def is_read(self) -> bool:
        """Whether it asks for an object's bytes."""
        return self.method == "GET" and self.path.strip("/").count("/") > 0

    @property
    def is_commit(self) -> bool:
        return self.method == "PUT" and "/_delta_log/" in self.path

    @property
    def query(self) -> dict[str, list[str]]:
        return parse_qs(urlsplit(self.target).query, keep_blank_values=True)

    def may_meet(self, fault: Fault) -> bool:
        """Whether a fault makes sense for this request."""
        match fault:
            case Fault.SLOW_DOWN:
                return True
            case Fault.SKEWED:
                # A HEAD has no body that could tell this 403 from a refusal.
                return self.method != "HEAD"
            case Fault.BAD_PAGE:
                return self.is_listing and "continuation-token" in self.query
            case Fault.RESET | Fault.CUT:
                return self.method == "GET"
            case Fault.SHORT:
                return self.is_read
            case Fault.DRIP | Fault.OTHER_ETAG:
                return self.is_read
            case Fault.LOST_REPLY:
                return self.method in ("PUT", "DELETE")
            case Fault.NOT_IMPLEMENTED:
                return self.method == "PUT" and "if-none-match" in self.headers


@dataclass
class Schedule:
    """Draws the faults.

    The draw depends on the seed, the request and how often it has come, and not on the order
    in which several clients ask. A storm is the exception: it hits whoever comes next.

    Attributes:
        seed: Of all draws.
        rates: How likely each fault is for a request that may meet it.
        most: How often at most; for those that take long.
        counts: How often each has happened.
        commits_unanswered: Lost replies to what is written into a table's log.
        requests: All that came.
    """

    seed: int
    rates: dict[Fault, float]
    most: dict[Fault, int] = field(default_factory=dict)
    counts: Counter[str] = field(default_factory=Counter)
    commits_unanswered: int = 0
    requests: int = 0
    _come: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    _storm_left: int = 0

    def draw(self, request: Request) -> Fault | None:
        """The fault that befalls a request, if any."""
        fault = self._drawn(request)
        self.requests += 1
        if fault is not None:
            self.counts[fault] += 1
            self.commits_unanswered += fault is Fault.LOST_REPLY and request.is_commit
        return fault

    def _drawn(self, request: Request) -> Fault | None:
        if self._storm_left:
            self._storm_left -= 1
            return Fault.SLOW_DOWN
        key = (request.method, request.below_bucket, request.headers.get("range", ""))
        self._come[key] += 1
        left = _uniform(f"{self.seed} {key} {self._come[key]}")
        for fault, rate in self.rates.items():
            if not request.may_meet(fault) or self.counts[fault] >= self.most.get(
                fault, 1 << 60
            ):
                continue
            if left < rate:
                if fault is Fault.SLOW_DOWN:
                    self._storm_left = STORM_LENGTH - 1
                return fault
            left -= rate
        return None


def _uniform(text: str) -> float:
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=7).digest()) / 2**56
