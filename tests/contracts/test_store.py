"""What every store does alike, and how S3 bears a bad network."""

from __future__ import annotations

import io
import os
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import boto3
import pytest

from operators.storage import PutResult, Store, Stores, open_store
from operators.storage.ranged import HEAD_BYTES, RangedFile
from schemas.failure import FailureCode, ItemFailure, Stage, StorageError, UsageError
from schemas.job import StorageSpec
from tests.contracts.fault_proxy import FaultProxy

ODD_KEYS = [
    "plain.jpg",
    "with space/a b.jpg",
    "hash#mark.jpg",
    "per%20cent.jpg",
    "plus+sign.jpg",
    "Ünïcödé/写真.jpg",
    "question?and=amp&.jpg",
    "quote'\"double.jpg",
    "tilde~(paren)*star.jpg",
]


@dataclass(frozen=True)
class Place:
    store: Store
    root: str

    def uri(self, key: str) -> str:
        return f"{self.root}/{key}"


@pytest.fixture(params=["local", "s3"])
def place(request: pytest.FixtureRequest, tmp_path) -> Place:
    if request.param == "local":
        return Place(open_store(str(tmp_path), StorageSpec()), str(tmp_path))
    server = request.getfixturevalue("s3_server")
    spec = StorageSpec(endpoint_url=server.endpoint_url, path_style=True, timeout_s=20)
    bucket = request.getfixturevalue("s3_bucket")
    return Place(open_store(f"s3://{bucket}", spec), f"s3://{bucket}")


def failure_of(call: Callable[[], object]) -> ItemFailure:
    with pytest.raises(ItemFailure) as caught:
        call()
    assert caught.value.stage is Stage.FETCH
    return caught.value


@pytest.mark.parametrize("key", ODD_KEYS)
def test_a_key_comes_back_as_it_went(place: Place, key: str) -> None:
    assert place.store.put(place.uri(key), key.encode()) is PutResult.WRITTEN
    (info,) = place.store.list(place.root)
    assert (info.uri, info.key, info.size) == (place.uri(key), key, len(key.encode()))
    assert place.store.get(info.uri, version=info.version) == key.encode()
    head = place.store.head(info.uri)
    assert (head.size, head.version) == (info.size, info.version)


def test_listing_takes_folders_whole_and_not_their_namesakes(place: Place) -> None:
    for key in ("photos/a.jpg", "photos/deep/b.jpg", "photos-old/c.jpg", "photos.txt"):
        place.store.put(place.uri(key), b"x")
    for address in ("photos", "photos/"):
        found = [info.key for info in place.store.list(place.uri(address))]
        assert sorted(found) == ["a.jpg", "deep/b.jpg"]


def test_a_listing_of_one_object_is_that_object(place: Place) -> None:
    place.store.put(place.uri("a/one.jpg"), b"12345")
    place.store.put(place.uri("a/one.jpg.bak"), b"x")
    (info,) = place.store.list(place.uri("a/one.jpg"))
    assert (info.uri, info.key, info.size) == (place.uri("a/one.jpg"), "one.jpg", 5)


def test_more_objects_than_a_page_are_listed_once_each(place: Place, monkeypatch) -> None:
    monkeypatch.setattr("operators.storage.s3.PAGE_KEYS", 7)
    keys = [f"many/{number:04}.jpg" for number in range(30)]
    for key in keys:
        place.store.put(place.uri(key), b"x")
    listed = [info.uri for info in place.store.list(place.uri("many"))]
    assert listed == [place.uri(key) for key in keys]


def test_listing_what_does_not_exist_says_where(place: Place) -> None:
    place.store.put(place.uri("there.jpg"), b"x")
    with pytest.raises(UsageError, match="nothing-here"):
        list(place.store.list(place.uri("nothing-here")))


def test_reading_a_missing_object(place: Place) -> None:
    uri = place.uri("gone.jpg")
    for call in (place.store.get, place.store.head, place.store.open):
        failure = failure_of(lambda call=call: call(uri))
        assert failure.code is FailureCode.MISSING_OBJECT
        assert uri in failure.message


def test_a_replaced_object_is_not_read_as_the_listed_one(place: Place) -> None:
    uri = place.uri("a.jpg")
    place.store.put(uri, b"first")
    version = place.store.head(uri).version
    place.store.put(uri, b"second!")
    for call in (
        lambda: place.store.get(uri, version=version),
        lambda: place.store.open(uri, version=version),
        lambda: place.store.fetch_to(uri, io.BytesIO(), version=version),
    ):
        assert failure_of(call).code is FailureCode.CHANGED_OBJECT
    assert place.store.get(uri) == b"second!"


@pytest.mark.parametrize(("offset", "size"), [(0, 1), (0, 1000), (400, 7), (999, 1)])
def test_a_range_is_read_exactly(place: Place, offset: int, size: int) -> None:
    data, uri = os.urandom(1000), place.uri("a b/shard.tar")
    place.store.put(uri, data)
    version = place.store.head(uri).version
    assert place.store.get_range(uri, offset, size) == data[offset : offset + size]
    assert (
        place.store.get_range(uri, offset, size, version=version)
        == (data[offset : offset + size])
    )


@pytest.mark.parametrize(("offset", "size"), [(0, 1001), (999, 2), (1000, 1), (5000, 10)])
def test_a_range_past_the_end_is_never_cut_short(place: Place, offset: int, size: int) -> None:
    uri = place.uri("shard.tar")
    place.store.put(uri, bytes(1000))
    for version in (None, place.store.head(uri).version):
        failure = failure_of(
            lambda version=version: place.store.get_range(uri, offset, size, version=version)
        )
        assert failure.code is FailureCode.TRUNCATED
        assert uri in failure.message


def test_a_range_of_an_empty_a_missing_or_a_replaced_object(place: Place) -> None:
    uri = place.uri("shard.tar")
    get_range = place.store.get_range
    assert failure_of(lambda: get_range(uri, 0, 1)).code is FailureCode.MISSING_OBJECT
    place.store.put(uri, b"")
    assert failure_of(lambda: get_range(uri, 0, 1)).code is FailureCode.TRUNCATED
    version = place.store.head(uri).version
    place.store.put(uri, b"longer")
    for offset in (0, 100):
        assert failure_of(lambda at=offset: get_range(uri, at, 1, version=version)).code is (
            FailureCode.CHANGED_OBJECT
        )


@pytest.mark.parametrize(("offset", "size"), [(-1, 1), (0, 0), (0, -1)])
def test_a_range_that_no_object_can_have(place: Place, offset: int, size: int) -> None:
    with pytest.raises(ValueError, match="expected an offset"):
        place.store.get_range(place.uri("a"), offset, size)


def test_too_large_an_object_is_refused(place: Place) -> None:
    uri = place.uri("big.bin")
    place.store.put(uri, bytes(1001))
    for call in (place.store.get, place.store.open):
        assert failure_of(lambda call=call: call(uri, max_bytes=1000)).code is (
            FailureCode.TOO_LARGE
        )
    assert len(place.store.get(uri, max_bytes=1001)) == 1001


def test_open_gives_a_seekable_file_and_fetch_to_appends(place: Place) -> None:
    data = os.urandom(3_000_001)
    place.store.put(place.uri("v.mp4"), data)
    with place.store.open(place.uri("v.mp4")) as file:
        assert file.read() == data
        file.seek(2_999_999)
        assert file.read() == data[-2:]
        file.seek(-5, io.SEEK_END)
        assert (file.read(3), file.tell()) == (data[-5:-2], 2_999_999)
    into = io.BytesIO()
    into.write(b"head")
    assert place.store.fetch_to(place.uri("v.mp4"), into) == len(data)
    assert into.getvalue() == b"head" + data


def test_an_empty_object_is_read_as_no_bytes(place: Place) -> None:
    place.store.put(place.uri("empty.jpg"), b"")
    assert place.store.get(place.uri("empty.jpg")) == b""
    with place.store.open(place.uri("empty.jpg")) as file:
        assert file.read() == b""


def test_a_file_replaced_while_it_is_open_is_never_two_mixed(place: Place) -> None:
    old, new = os.urandom(2_000_000), os.urandom(2_000_000)
    place.store.put(place.uri("v.mp4"), old)
    with place.store.open(place.uri("v.mp4")) as file:
        assert file.read(100) == old[:100]
        place.store.put(place.uri("v.mp4"), new)
        file.seek(1_500_000)
        try:
            assert file.read() == old[1_500_000:]
        except ItemFailure as failure:
            assert failure.code is FailureCode.CHANGED_OBJECT


def test_put_if_absent_keeps_what_is_there(place: Place) -> None:
    uri = place.uri("commit.json")
    assert place.store.put(uri, b"mine", if_absent=True) is PutResult.WRITTEN
    assert place.store.put(uri, b"yours", if_absent=True) is PutResult.ALREADY_EXISTS
    assert place.store.get(uri) == b"mine"


def test_of_many_writers_of_one_name_exactly_one_wins(place: Place) -> None:
    uri, results = place.uri("race.json"), {}

    def write(number: int) -> None:
        results[number] = place.store.put(uri, b"%d" % number, if_absent=True)

    threads = [threading.Thread(target=write, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    winners = [n for n, result in results.items() if result is PutResult.WRITTEN]
    assert len(results) == 8
    assert len(winners) == 1
    assert place.store.get(uri) == b"%d" % winners[0]


def test_delete_is_idempotent(place: Place) -> None:
    uri = place.uri("a.jpg")
    place.store.put(uri, b"x")
    place.store.delete(uri)
    place.store.delete(uri)
    assert failure_of(lambda: place.store.get(uri)).code is FailureCode.MISSING_OBJECT


# S3 alone: the network, and who may do what.


@pytest.fixture
def proxy(s3_server) -> Iterator[FaultProxy]:
    with FaultProxy(s3_server.port) as running:
        yield running


def s3_through(endpoint_url: str, timeout_s: float = 20) -> Store:
    spec = StorageSpec(endpoint_url=endpoint_url, path_style=True, timeout_s=timeout_s)
    return open_store("s3://any", spec)


@pytest.mark.parametrize("after", [0, 5, 40, 120, 200, 300, 700_000])
def test_a_short_reply_is_read_again(proxy: FaultProxy, s3_bucket: str, after: int) -> None:
    data = os.urandom(1_000_000)
    store = s3_through(proxy.endpoint_url)
    store.put(f"s3://{s3_bucket}/a.bin", data)
    proxy.cut_next_reply(after, times=2)
    assert store.get(f"s3://{s3_bucket}/a.bin") == data


@pytest.mark.parametrize("after", [0, 5, 40, 120, 200, 250, 300, 700_000])
def test_a_short_range_is_read_again(proxy: FaultProxy, s3_bucket: str, after: int) -> None:
    data = os.urandom(1_000_000)
    store = s3_through(proxy.endpoint_url)
    store.put(f"s3://{s3_bucket}/a.bin", data)
    proxy.cut_next_reply(after, times=2)
    assert store.get_range(f"s3://{s3_bucket}/a.bin", 1000, 900_000) == data[1000:901_000]


def test_a_cut_download_goes_on_where_it_stopped(proxy: FaultProxy, s3_bucket: str) -> None:
    data = os.urandom(8_000_000)
    store = s3_through(proxy.endpoint_url)
    store.put(f"s3://{s3_bucket}/a.bin", data)
    before = proxy.sent
    proxy.cut_next_reply(7_500_000)
    into = io.BytesIO()
    assert store.fetch_to(f"s3://{s3_bucket}/a.bin", into) == len(data)
    assert into.getvalue() == data
    assert proxy.sent - before < 10_500_000


def test_a_file_read_in_ranges_comes_once_whatever_is_cut(
    proxy: FaultProxy, s3_bucket: str
) -> None:
    data = os.urandom(8_000_000)
    store = s3_through(proxy.endpoint_url)
    store.put(f"s3://{s3_bucket}/a.bin", data)
    with store.open(f"s3://{s3_bucket}/a.bin") as file:
        proxy.cut_next_reply(30_000)
        file.seek(4_000_000)
        assert file.read() == data[4_000_000:]
        assert isinstance(file, RangedFile)
        assert file.fetched <= HEAD_BYTES + 4_000_000


def test_an_object_replaced_in_mid_download_is_never_mixed(
    proxy: FaultProxy, s3_server, s3_bucket: str
) -> None:
    uri = f"s3://{s3_bucket}/a.bin"
    store, other = s3_through(proxy.endpoint_url), s3_through(s3_server.endpoint_url)
    other.put(uri, b"a" * 8_000_000)

    class Replacing(io.BytesIO):
        def write(self, data) -> int:
            if not self.tell():
                other.put(uri, b"b" * 8_000_000)
            return super().write(data)

    proxy.cut_next_reply(5_000_000)
    assert failure_of(lambda: store.fetch_to(uri, Replacing())).code is (
        FailureCode.CHANGED_OBJECT
    )


def test_a_server_that_goes_away_in_mid_read_and_comes_back(
    proxy: FaultProxy, s3_bucket: str
) -> None:
    data = os.urandom(8_000_000)
    store = s3_through(proxy.endpoint_url)
    store.put(f"s3://{s3_bucket}/a.bin", data)

    class Killing(io.BytesIO):
        def write(self, chunk) -> int:
            if not self.tell():
                proxy.go_down()
                threading.Timer(1.0, proxy.come_up).start()
            return super().write(chunk)

    into, started = Killing(), time.monotonic()
    assert store.fetch_to(f"s3://{s3_bucket}/a.bin", into) == len(data)
    assert into.getvalue() == data
    assert time.monotonic() - started >= 1.0


@pytest.mark.parametrize("after", [0, 5, 17, 40, 100, 150, 200, 250, 300, 400, 500, 700])
def test_listing_survives_a_broken_page(proxy: FaultProxy, s3_bucket: str, after: int) -> None:
    store = s3_through(proxy.endpoint_url)
    store.put(f"s3://{s3_bucket}/a.jpg", b"x")
    proxy.cut_next_reply(after)
    assert [info.key for info in store.list(f"s3://{s3_bucket}")] == ["a.jpg"]


@pytest.mark.parametrize("after", [0, 17, 60])
def test_a_commit_whose_reply_was_lost_counts_as_written(
    proxy: FaultProxy, s3_bucket: str, after: int
) -> None:
    uri = f"s3://{s3_bucket}/commit.json"
    store = s3_through(proxy.endpoint_url)
    proxy.cut_next_reply(after)
    assert store.put(uri, b"mine", if_absent=True) is PutResult.WRITTEN
    proxy.cut_next_reply(after)
    assert store.put(uri, b"theirs", if_absent=True) is PutResult.ALREADY_EXISTS
    assert store.get(uri) == b"mine"


def test_a_store_that_stays_away_is_reported_within_the_time_limit(proxy: FaultProxy) -> None:
    proxy.go_down()
    store = s3_through(proxy.endpoint_url, timeout_s=1)
    started = time.monotonic()
    failure = failure_of(lambda: store.get("s3://bucket/a.jpg"))
    assert failure.code is FailureCode.STORAGE_UNAVAILABLE
    with pytest.raises(StorageError, match="cannot be reached"):
        list(store.list("s3://bucket/a"))
    with pytest.raises(StorageError):
        store.put("s3://bucket/a", b"x")
    assert time.monotonic() - started < 10


def test_a_missing_bucket(s3_server) -> None:
    store = s3_through(s3_server.endpoint_url)
    with pytest.raises(UsageError, match="no such bucket"):
        list(store.list("s3://tagline-no-such-bucket/a"))
    failure = failure_of(lambda: store.get("s3://tagline-no-such-bucket/a.jpg"))
    assert failure.code is FailureCode.MISSING_OBJECT


def test_no_credentials_at_all(s3_server, monkeypatch, tmp_path) -> None:
    for name in (
        "AWS_ACCESS_KEY_ID",
        "AWS_SECRET_ACCESS_KEY",
        "AWS_SESSION_TOKEN",
        "AWS_PROFILE",
    ):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    store = s3_through(s3_server.endpoint_url)
    with pytest.raises(UsageError, match="credentials"):
        list(store.list("s3://bucket/a"))
    assert failure_of(lambda: store.get("s3://bucket/a")).code is FailureCode.ACCESS_DENIED


@pytest.mark.rgw
def test_a_wrong_secret_is_refused(s3_server, s3_bucket: str, monkeypatch) -> None:
    boto3.client("s3", endpoint_url=s3_server.endpoint_url, region_name="us-east-1").put_object(
        Bucket=s3_bucket, Key="a.jpg", Body=b"x"
    )
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "not-the-secret")
    store = s3_through(s3_server.endpoint_url)
    with pytest.raises(UsageError, match="access denied"):
        list(store.list(f"s3://{s3_bucket}"))
    failure = failure_of(lambda: store.get(f"s3://{s3_bucket}/a.jpg"))
    assert failure.code is FailureCode.ACCESS_DENIED
    assert "not-the-secret" not in failure.message


def test_an_unknown_scheme_names_those_that_are_known() -> None:
    with pytest.raises(UsageError, match="s3://"):
        open_store("gopher://host/a", StorageSpec())


def test_one_store_serves_all_uris_of_a_scheme(s3_server) -> None:
    stores = Stores(StorageSpec(endpoint_url=s3_server.endpoint_url))
    assert stores.of("s3://a/b") is stores.of("s3://c/d")
    assert stores.of("/tmp") is not stores.of("s3://a/b")
