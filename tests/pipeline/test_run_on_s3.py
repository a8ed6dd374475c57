"""Whole runs from and to a real S3 server, which may fail on the way."""

from __future__ import annotations

import threading

import boto3
import pytest

from pipeline.report import Snapshot
from tests.contracts.fault_proxy import FaultProxy
from tests.media import pictures
from tests.pipeline.test_run import Bench


@pytest.fixture
def proxy(s3_server):
    with FaultProxy(s3_server.port) as running:
        yield running


def fill(endpoint_url: str, bucket: str, count: int) -> None:
    client = boto3.client("s3", endpoint_url=endpoint_url)
    for number in range(count):
        body = pictures.encoded(pictures.quadrants(64 + number, 48), "PNG")
        client.put_object(Bucket=bucket, Key=f"in/{number:02}.png", Body=body)


def test_a_server_that_dies_in_mid_run_and_comes_back_costs_nothing(
    s3_server, s3_bucket, proxy, tmp_path, checkpoint, local_ray
):
    fill(s3_server.endpoint_url, s3_bucket, 48)
    bench = Bench(tmp_path, checkpoint)
    job = bench.job(
        input=f"s3://{s3_bucket}/in/",
        output={"uri": str(bench.output), "commit_every_rows": 8},
        storage={"endpoint_url": proxy.endpoint_url, "path_style": True, "timeout_s": 60},
    )
    downs = []

    def fail_once(snapshot: Snapshot) -> None:
        if snapshot.phase == "starting" and not downs:
            downs.append(1)
            proxy.go_down()
            threading.Timer(6.0, proxy.come_up).start()

    bench.observer.update = fail_once
    report = bench.run(job, latency_s=0.2)
    assert downs
    assert (report.outcome, report.items_done, report.items_failed) == ("done", 48, 0)
    assert len({row["item_id"] for row in bench.rows("captions")}) == 48
    assert len(bench.rows("captions")) == 48


def test_plan_and_tables_may_live_on_s3_and_no_plan_stays_there(
    s3_server, s3_bucket, tmp_path, checkpoint, local_ray
):
    fill(s3_server.endpoint_url, s3_bucket, 5)
    bench = Bench(tmp_path, checkpoint)
    job = bench.job(
        input=f"s3://{s3_bucket}/in/",
        output=f"s3://{s3_bucket}/out",
        storage={"endpoint_url": s3_server.endpoint_url, "path_style": True},
    )
    assert bench.run(job).rows_by_table == {"captions": 5, "tags": 5}
    assert bench.run(job).outcome == "nothing_to_do"
    client = boto3.client("s3", endpoint_url=s3_server.endpoint_url)
    listed = client.list_objects_v2(Bucket=s3_bucket, Prefix="out/_tagline/plans/")
    assert listed["KeyCount"] == 0
