"""A little of what ``make storm`` does, and each fault by itself."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from operators.decode import DecodeOperator
from operators.fake_engine import pixel_digest
from operators.storage import PutResult, Store, open_store, s3_body
from schemas.failure import FailureCode, ItemFailure, StorageError
from schemas.item import DecodedItem, Item, Medium
from schemas.item_tables import items_to_plan, table_to_decoded
from schemas.job import MediaSpec, StorageSpec
from schemas.media import MediaKind
from tests.media import pictures
from tests.storm.commits import storm_of_commits
from tests.storm.faults import Fault, Request, Schedule
from tests.storm.proxy import StormProxy
from tests.storm.reads import storm_of_reads

EVERY = 1 << 60


class Weather:
    """A store behind a proxy with a fault in it, and the same store without."""

    def __init__(self, server, bucket: str, proxy: StormProxy, timeout_s: float) -> None:
        self.schedule = proxy.schedule
        self.uri = f"s3://{bucket}/a.bin"
        self.bad = self._spec(proxy.endpoint_url, timeout_s)
        self.clear = self._spec(server.endpoint_url, 20)

    @staticmethod
    def _spec(endpoint_url: str, timeout_s: float) -> StorageSpec:
        return StorageSpec(endpoint_url=endpoint_url, path_style=True, timeout_s=timeout_s)

    def store(self) -> Store:
        return open_store(self.uri, self.bad)

    def fill(self, data: bytes, uri: str | None = None) -> str:
        """Put an object there; answers its version."""
        store = open_store(self.uri, self.clear)
        store.put(uri or self.uri, data)
        return store.head(uri or self.uri).version


@pytest.fixture
def weather(s3_server, s3_bucket: str) -> Callable:
    @contextmanager
    def with_fault(fault: Fault, times: int = EVERY, timeout_s: float = 20) -> Iterator:
        schedule = Schedule(1, {fault: 1.0}, {fault: times})
        with StormProxy(s3_server.port, schedule) as proxy:
            yield Weather(s3_server, s3_bucket, proxy, timeout_s)

    return with_fault


@pytest.mark.parametrize("replace_every", [0, 3], ids=["append", "replace too"])
def test_no_commit_is_lost_or_doubled_when_replies_are_lost(
    s3_server, s3_bucket: str, replace_every: int
) -> None:
    told = storm_of_commits(
        s3_server.port,
        s3_bucket,
        processes=4,
        commits=15,
        seed=1,
        replace_every=replace_every,
    )
    assert told["errors"] == []
    assert told["commits"] == 60
    for name in ("lost", "doubled", "unacknowledged", "log_has_gaps"):
        assert not told[name], told
    assert told["replies_dropped_to_commits"] > 3


def test_reads_are_complete_and_right_while_a_fifth_of_the_requests_fail(
    s3_server, s3_bucket: str
) -> None:
    told = storm_of_reads(s3_server.port, s3_bucket, requests=400, seed=1, drips=0)
    assert (told["wrong"], told["incomplete"]) == (0, 0), told["first_troubles"]
    assert told["faults"] > 0.12 * told["requests"]
    assert all(times for kind, times in told["faults_by_kind"].items() if kind != "drip")


def test_the_faults_are_those_of_the_seed_whoever_comes_first() -> None:
    requests = [Request("GET", f"/bucket/{number}", {}) for number in range(300)]
    rates = {Fault.CUT: 0.2, Fault.SHORT: 0.2}

    def drawn(seed: int, order: list[Request]) -> dict[str, Fault | None]:
        schedule = Schedule(seed, rates)
        return {request.target: schedule.draw(request) for request in order}

    assert drawn(1, requests) == drawn(1, requests[::-1])
    assert drawn(1, requests) != drawn(2, requests)
    elsewhere = [Request("GET", f"/another/{number}", {}) for number in range(300)]
    assert list(drawn(1, requests).values()) == list(drawn(1, elsewhere).values())


READS: dict[str, Callable[[Store, str, str], bytes]] = {
    "get": lambda store, uri, version: store.get(uri, version=version),
    "get any version": lambda store, uri, version: store.get(uri),
    "open": lambda store, uri, version: store.open(uri, version=version).read(),
}


@pytest.mark.parametrize("read", READS.values(), ids=READS)
def test_a_body_whose_length_was_set_right_after_a_cut_is_not_taken_for_all(
    weather, read: Callable[[Store, str, str], bytes]
) -> None:
    data = os.urandom(100_000)
    with weather(Fault.SHORT, times=3) as there:
        version = there.fill(data)
        assert read(there.store(), there.uri, version) == data
        assert there.schedule.counts[Fault.SHORT] == 3
    with weather(Fault.SHORT, timeout_s=1) as there, pytest.raises(ItemFailure) as refused:
        read(there.store(), there.uri, version)
    assert refused.value.code is FailureCode.STORAGE_UNAVAILABLE
    assert "of an object of 100,000" in refused.value.message


@pytest.mark.parametrize(("times", "is_decoded"), [(2, True), (EVERY, False)])
def test_half_a_picture_is_never_decoded_as_a_whole_one(
    weather, times: int, is_decoded: bool
) -> None:
    """A GIF and the like show no sign of being cut."""
    data = pictures.encoded(pictures.quadrants(300, 200), "PNG")
    with weather(Fault.SHORT, times=times, timeout_s=2) as there:
        uri = there.uri.replace(".bin", ".png")
        version = there.fill(data, uri)
        spoilt = _decoded(there.bad, uri, version)
        whole = _decoded(there.clear, uri, version)
    assert whole.frames is not None
    if is_decoded:
        assert spoilt.frames is not None
        assert pixel_digest(spoilt.frames) == pixel_digest(whole.frames)
    else:
        assert spoilt.frames is None
        assert spoilt.failure is not None
        assert spoilt.failure.code is FailureCode.STORAGE_UNAVAILABLE


def _decoded(storage: StorageSpec, uri: str, version: str) -> DecodedItem:
    operator = DecodeOperator(storage, MediaSpec(), 10**6, 10**6)
    operator.setup()
    item = Item(uri, MediaKind.IMAGE, version, (Medium(uri, None, version),), ())
    [decoded] = table_to_decoded(operator(items_to_plan([item])))
    operator.close()
    return decoded


def test_a_store_that_minds_no_version_gives_no_other_one(weather) -> None:
    with weather(Fault.OTHER_ETAG) as there:
        version = there.fill(b"first")
        for call in (
            lambda: there.store().get(there.uri, version=version),
            lambda: there.store().open(there.uri, version=version),
            lambda: there.store().get_range(there.uri, 0, 2, version=version),
        ):
            with pytest.raises(ItemFailure) as refused:
                call()
            assert refused.value.code is FailureCode.CHANGED_OBJECT
            assert "'replaced'" in refused.value.message


SKEWED_CALLS: dict[str, Callable[[Store, str], object]] = {
    "get": lambda store, uri: store.get(uri) == b"data",
    "range": lambda store, uri: store.get_range(uri, 1, 2) == b"at",
    "list": lambda store, uri: [info.key for info in store.list(uri)] == ["a.bin"],
    "put": lambda store, uri: store.put(uri, b"new") is PutResult.WRITTEN,
}


@pytest.mark.parametrize("call", SKEWED_CALLS.values(), ids=SKEWED_CALLS)
def test_a_clock_that_is_wrong_for_a_moment_costs_a_moment(
    weather, call: Callable[[Store, str], object]
) -> None:
    with weather(Fault.SKEWED, times=2) as there:
        there.fill(b"data")
        assert call(there.store(), there.uri)
        assert there.schedule.counts[Fault.SKEWED] == 2


def test_a_clock_that_stays_wrong_is_named_and_no_refusal(weather) -> None:
    with weather(Fault.SKEWED, timeout_s=0.5) as there:
        there.fill(b"data")
        with pytest.raises(ItemFailure, match="clock") as refused:
            there.store().get(there.uri)
        assert refused.value.retryable
        with pytest.raises(StorageError, match="clock"):
            there.store().put(there.uri, b"x")


def test_a_connection_that_drips_is_left_for_another(
    weather, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(s3_body, "SLOW_AFTER_S", 0.5)
    monkeypatch.setattr(s3_body, "FIRST_PIECE_BYTES", 200)
    data = os.urandom(60_000)  # A minute, at 1 kB/s.
    with weather(Fault.DRIP, times=3) as there:
        version, store = there.fill(data), there.store()
        assert store.get(there.uri, version=version) == data
        assert store.get_range(there.uri, 10, 50_000) == data[10:50_010]
        with store.open(there.uri) as file:
            assert file.read() == data
        assert there.schedule.counts[Fault.DRIP] == 3
