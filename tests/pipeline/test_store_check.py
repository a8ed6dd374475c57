"""A store on which two writers could both be first is refused before anything is written."""

from __future__ import annotations

import pytest

from operators.storage import open_store
from operators.storage.base import PutResult
from pipeline.lease import held_lease
from pipeline.store_check import require_conditional_writes
from schemas.failure import UsageError
from schemas.job import StorageSpec
from tests.pipeline.test_run import Bench
from tests.storm.faults import Fault, Schedule
from tests.storm.oracle import s3_client
from tests.storm.proxy import StormProxy


def through(proxy: StormProxy) -> StorageSpec:
    return StorageSpec(endpoint_url=proxy.endpoint_url, path_style=True, timeout_s=5)


def keys(server, bucket: str) -> list[str]:
    listed = s3_client(server.endpoint_url).list_objects_v2(Bucket=bucket)
    return [entry["Key"] for entry in listed.get("Contents", [])]


def test_a_run_is_refused_where_conditions_are_dropped(
    s3_server, s3_bucket: str, tmp_path, checkpoint
) -> None:
    bench = Bench(tmp_path, checkpoint)
    bench.input.mkdir()
    output = f"s3://{s3_bucket}/out"
    with StormProxy(s3_server.port, Schedule(1, {}), frozenset({"if-none-match"})) as proxy:
        job = bench.job(output=output, storage=through(proxy).model_dump())
        with pytest.raises(UsageError, match="If-None-Match") as refused:
            bench.run(job)
    assert output in str(refused.value)
    assert "update the store" in str(refused.value)
    assert keys(s3_server, s3_bucket) == []


def test_a_store_that_says_it_knows_no_conditions_is_refused_at_once(
    s3_server, s3_bucket: str
) -> None:
    schedule = Schedule(1, {Fault.NOT_IMPLEMENTED: 1.0})
    with (
        StormProxy(s3_server.port, schedule) as proxy,
        pytest.raises(UsageError, match=r"NotImplemented.*If-None-Match"),
        held_lease(f"s3://{s3_bucket}/out", through(proxy), "run-1"),
    ):
        pytest.fail("two could hold it")
    assert schedule.counts[Fault.NOT_IMPLEMENTED] == 1


@pytest.mark.parametrize("kind", ["local", "s3"])
def test_a_store_that_minds_conditions_passes_and_keeps_what_is_there(
    request: pytest.FixtureRequest, tmp_path, kind: str
) -> None:
    uri, storage = str(tmp_path / "mine"), StorageSpec()
    if kind == "s3":
        server, bucket = (request.getfixturevalue(n) for n in ("s3_server", "s3_bucket"))
        uri = f"s3://{bucket}/mine"
        storage = StorageSpec(endpoint_url=server.endpoint_url, path_style=True)
    store = open_store(uri, storage)
    assert store.put(uri, b"mine", if_absent=True) is PutResult.WRITTEN
    require_conditional_writes(store, uri)
    assert store.get(uri) == b"mine"


def test_a_lost_reply_is_no_sign_of_a_store_that_minds_nothing(
    s3_server, s3_bucket: str
) -> None:
    with StormProxy(s3_server.port, Schedule(1, {Fault.LOST_REPLY: 1.0}, {})) as proxy:
        proxy.schedule.most[Fault.LOST_REPLY] = 2
        with held_lease(f"s3://{s3_bucket}/out", through(proxy), "run-1") as lease:
            assert lease.number == 1
    assert proxy.schedule.counts[Fault.LOST_REPLY] == 2
