"""A run killed just before and just after each of its writes loses and doubles nothing."""

from __future__ import annotations

import json
import multiprocessing
import os
import shutil
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from tests.boundaries.points import Points, Side
from tests.boundaries.small_run import NIGHTS, small_run
from tests.chaos.oracle import FAILURES, Findings, Oracle
from tests.storm.proxy import StormProxy

ENDS_WITHIN_S = 60
WRITTEN_WITHIN_S = 5.0

EXPECTED = (
    *("PUT _tagline/leases/*.json #1", "PUT _tagline/format.json #1"),
    *("PUT captions/_delta_log/*.json #1", "PUT failures/_delta_log/*.json #1"),
    *("PUT _tagline/plans/*/part-*.parquet #1", "PUT captions/part-*-*-*.parquet #1"),
    *("PUT runs/_delta_log/*.json #1", "DELETE _tagline/plans/*/part-*.parquet #1"),
)
"""Some of the writes that there must be; all that there are get their turn."""


@dataclass
class Stand:
    """A server behind a proxy that knows the writes, and runs against it."""

    bucket: str
    proxy: StormProxy
    client: Any
    folder: Path

    def points(self, prefix: str) -> Points:
        points = Points(f"/{self.bucket}/{prefix}/")
        # The proxy asks it from now on.
        self.proxy.schedule = self.proxy._relay._schedule = points
        return points

    def run(
        self, points: Points, prefix: str, night: int, target: tuple[str, Side] | None = None
    ) -> int | None:
        """One run to its end; answers how it ended."""
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload(["tests.boundaries.small_run"])
        output = f"s3://{self.bucket}/{prefix}"
        told = (self.proxy.endpoint_url, output, self.journal(prefix), night)
        process = context.Process(target=small_run, args=told)
        process.start()
        assert process.pid is not None
        points.watch(process.pid, target)
        if target is not None and target[1] == "after":
            assert points.fired.wait(ENDS_WITHIN_S), f"{target[0]} never came"
            self._await_write(points, target[0])
            os.kill(process.pid, signal.SIGKILL)
        process.join(ENDS_WITHIN_S)
        assert process.exitcode is not None, "the run is stuck"
        return process.exitcode

    def _await_write(self, points: Points, name: str) -> None:
        """The process is stopped; its write is on the way from the proxy to the server."""
        key = points.path.removeprefix(f"/{self.bucket}/")
        deadline = time.monotonic() + WRITTEN_WITHIN_S
        while self._is_there(key) is name.startswith("DELETE"):
            assert time.monotonic() < deadline, f"{name} was not done by the server"
            time.sleep(0.01)

    def _is_there(self, key: str) -> bool:
        try:
            self.client.head_object(Bucket=self.bucket, Key=key)
        except ClientError:
            return False
        return True

    def copy(self, prefix: str, to: str) -> None:
        """Have an output as another run has left it."""
        for one in self.client.list_objects_v2(Bucket=self.bucket, Prefix=f"{prefix}/")[
            "Contents"
        ]:
            key = one["Key"]
            source = {"Bucket": self.bucket, "Key": key}
            self.client.copy_object(
                Bucket=self.bucket, Key=key.replace(prefix, to, 1), CopySource=source
            )
        shutil.copyfile(self.journal(prefix), self.journal(to))

    def journal(self, prefix: str) -> Path:
        return self.folder / f"{prefix}.journal"

    def acknowledged(self, prefix: str) -> set[tuple[str, str, str]]:
        path = self.journal(prefix)
        lines = path.read_text().splitlines() if path.exists() else []
        return {("captions", item, "caption") for item in lines}

    def tables(self, prefix: str) -> dict[str, dict[str, bytes]]:
        listed = self.client.list_objects_v2(Bucket=self.bucket, Prefix=f"{prefix}/")
        found: dict[str, dict[str, bytes]] = {"captions": {}, FAILURES: {}}
        for one in listed.get("Contents", ()):
            table, _, name = one["Key"].removeprefix(f"{prefix}/").partition("/")
            if table in found:
                body = self.client.get_object(Bucket=self.bucket, Key=one["Key"])["Body"]
                found[table][name] = body.read()
        return found


@pytest.fixture(scope="module")
def stand(s3_server, tmp_path_factory) -> Iterator[Stand]:
    client = boto3.client("s3", endpoint_url=s3_server.endpoint_url, region_name="us-east-1")
    client.create_bucket(Bucket="boundaries")
    with StormProxy(s3_server.port, Points("/")) as proxy:
        yield Stand("boundaries", proxy, client, tmp_path_factory.mktemp("boundaries"))


def belongs(table: str, row: dict[str, Any]) -> bool:
    return bool(row["caption"] == f"caption of {row['item_id']}")


def look(stand: Stand, prefix: str, oracle: Oracle, *, done: bool) -> Findings:
    found = oracle.look(stand.tables(prefix), stand.acknowledged(prefix), done=done)
    found.rewritten.clear()  # An item that has changed is made anew.
    return found


@pytest.fixture(scope="module")
def writes(stand: Stand) -> list[list[str]]:
    """The writes of each night that nothing disturbs; their outputs are ``clean-<night>``."""
    nights = []
    for night in range(len(NIGHTS)):
        prefix = f"clean-{night}"
        if night:
            stand.copy(f"clean-{night - 1}", prefix)
        points = stand.points(prefix)
        assert stand.run(points, prefix, night) == 0
        nights.append(points.names)
    return nights


@pytest.mark.parametrize("side", ["before", "after"])
@pytest.mark.parametrize("night", [0, 1])
def test_a_run_killed_at_any_write_loses_and_doubles_nothing(stand, writes, night, side):
    names = writes[night]
    if night == 0:
        assert set(EXPECTED) <= set(names)
    wrong: dict[str, str] = {}
    for number, name in enumerate(names):
        prefix = f"{night}-{side}-{number}"
        points = stand.points(prefix)
        oracle = Oracle(NIGHTS[night], {"caption": "captions"}, belongs)
        if night:
            stand.copy("clean-0", prefix)
        ended = stand.run(points, prefix, night, (name, side))
        assert points.fired.is_set(), f"{name} never came"
        assert ended == -signal.SIGKILL
        found = [look(stand, prefix, oracle, done=False)]
        assert stand.run(points, prefix, night) == 0, name
        found.append(look(stand, prefix, oracle, done=True))
        if any(found):
            wrong[name] = json.dumps([vars(one) for one in found], default=list)
    assert wrong == {}
