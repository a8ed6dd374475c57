"""Thousands of reads and listings while a fifth of the requests go wrong; all are compared."""

from __future__ import annotations

import hashlib
import io
import random
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from operators.storage import Store, open_store, s3
from schemas.failure import FailureCode, ItemFailure, TaglineError
from schemas.job import StorageSpec
from tests.storm.faults import STORM_LENGTH, Fault, Schedule
from tests.storm.oracle import s3_client
from tests.storm.proxy import StormProxy

SIZES = (0, 1, 500, 4_000, 20_000, 60_000, 200_000)
KEYS_PER_PAGE = 20
SHARE_OF_LISTINGS = 0.03

RATES = {
    Fault.SLOW_DOWN: 0.05 / STORM_LENGTH,
    Fault.SKEWED: 0.02,
    Fault.BAD_PAGE: 0.1,
    Fault.RESET: 0.04,
    Fault.CUT: 0.04,
    Fault.SHORT: 0.04,
    Fault.OTHER_ETAG: 0.02,
    Fault.DRIP: 0.002,
}
"""Together a fifth of the requests, about."""


@dataclass
class Tally:
    """What came of the reads.

    Attributes:
        done: Reads and listings that answered, by kind.
        wrong: Those that answered with something else than what is there.
        incomplete: Those that did not answer.
    """

    done: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    incomplete: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class _Object:
    uri: str
    size: int
    sha256: str
    version: str


def storm_of_reads(
    upstream: int,
    bucket: str,
    *,
    requests: int,
    seed: int,
    objects: int = 120,
    drips: int = 3,
    threads: int = 16,
    timeout_s: float = 60.0,
) -> dict[str, Any]:
    """Read through a proxy that spoils a fifth of the requests until so many have been made.

    Args:
        upstream: Port of the S3 server on this machine.
        bucket: An empty bucket there.
        requests: How many pass the proxy, at least.
        seed: Of the objects, of what is read, and of the faults.
        objects: How many there are.
        drips: How many replies may come at 1 kB/s.
        threads: How many read at once, with one store.
        timeout_s: See `StorageSpec`.
    """
    there = _filled(upstream, bucket, objects, random.Random(seed))
    begun = time.monotonic()
    tally = Tally()
    schedule = Schedule(seed, dict(RATES), {Fault.DRIP: drips})
    with StormProxy(upstream, schedule) as proxy, _short_pages():
        spec = StorageSpec(
            endpoint_url=proxy.endpoint_url, path_style=True, timeout_s=timeout_s
        )
        reader = _Reader(open_store(f"s3://{bucket}", spec), bucket, there, tally)
        with ThreadPoolExecutor(threads) as pool:
            number = 0
            while schedule.requests < requests:
                block = range(number, number + 10 * threads)
                number = block.stop
                list(pool.map(lambda n: reader.read(random.Random(f"{seed} {n}")), block))
    return {
        "requests": schedule.requests,
        "reads": dict(tally.done),
        "faults": sum(schedule.counts.values()),
        "faults_by_kind": {str(kind): schedule.counts[kind] for kind in RATES},
        "wrong": len(tally.wrong),
        "incomplete": len(tally.incomplete),
        "first_troubles": (tally.wrong + tally.incomplete)[:5],
        "wall_s": round(time.monotonic() - begun, 1),
    }


def _filled(upstream: int, bucket: str, objects: int, draw: random.Random) -> list[_Object]:
    client = s3_client(f"http://127.0.0.1:{upstream}")
    there = []
    for number in range(objects):
        data = draw.randbytes(SIZES[number % len(SIZES)])
        key = f"in/{number:05}.bin"
        etag = client.put_object(Bucket=bucket, Key=key, Body=data)["ETag"].strip('"')
        there.append(
            _Object(f"s3://{bucket}/{key}", len(data), hashlib.sha256(data).hexdigest(), etag)
        )
    return there


@contextmanager
def _short_pages() -> Iterator[None]:
    """Listings of many pages without thousands of objects."""
    before, s3.PAGE_KEYS = s3.PAGE_KEYS, KEYS_PER_PAGE
    try:
        yield
    finally:
        s3.PAGE_KEYS = before


class _Reader:
    """One read after the other, each compared with what is known of the object."""

    def __init__(self, store: Store, bucket: str, there: list[_Object], tally: Tally) -> None:
        self._store = store
        self._bucket = bucket
        self._there = there
        self._tally = tally

    def read(self, draw: random.Random) -> None:
        """Read whatever is drawn. What was replaced, as it is said, is read again."""
        kind = "list" if draw.random() < SHARE_OF_LISTINGS else draw.choice(_KINDS)
        one = draw.choice(self._there)
        call = self._call(kind, one, draw)
        try:
            is_right = _again_if_replaced(call)
        except TaglineError as error:
            self._tally.incomplete.append(f"{kind} of {one.uri}: {error}")
            return
        self._tally.done[kind] += 1
        if not is_right:
            self._tally.wrong.append(f"{kind} of {one.uri}")

    def _call(self, kind: str, one: _Object, draw: random.Random) -> Callable[[], bool]:
        match kind:
            case "get":
                return lambda: _same(self._store.get(one.uri, version=one.version), one)
            case "get any version":
                return lambda: _same(self._store.get(one.uri), one)
            case "fetch":
                return lambda: _same(self._fetched(one), one)
            case "open":
                return lambda: self._opened(one)
            case "range":
                return lambda: self._range(one, draw)
            case _:
                return self._listed

    def _fetched(self, one: _Object) -> bytes:
        into = io.BytesIO()
        self._store.fetch_to(one.uri, into, version=one.version)
        return into.getvalue()

    def _opened(self, one: _Object) -> bool:
        with self._store.open(one.uri) as file:
            return _same(file.read(), one)

    def _range(self, one: _Object, draw: random.Random) -> bool:
        """The object, read in two ranges."""
        if one.size < 2:
            return _same(self._store.get(one.uri), one)
        cut = draw.randrange(1, one.size)
        ends = (0, cut), (cut, one.size - cut)
        parts = [self._store.get_range(one.uri, *end, version=one.version) for end in ends]
        return _same(b"".join(parts), one)

    def _listed(self) -> bool:
        found = [
            (info.uri, info.size, info.version)
            for info in self._store.list(f"s3://{self._bucket}/in/")
        ]
        return found == [(one.uri, one.size, one.version) for one in self._there]


_KINDS = ("get", "get", "get", "get any version", "fetch", "open", "range")


def _same(data: bytes, one: _Object) -> bool:
    return hashlib.sha256(data).hexdigest() == one.sha256


def _again_if_replaced(call: Callable[[], bool]) -> bool:
    """What the next run would do."""
    while True:
        try:
            return call()
        except ItemFailure as failure:
            if failure.code is not FailureCode.CHANGED_OBJECT:
                raise
