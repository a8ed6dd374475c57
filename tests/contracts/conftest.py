"""An S3 server for the store's contract: a given endpoint, or a ministack of our own."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import urlsplit

import boto3
import pytest


@dataclass(frozen=True)
class RunningServer:
    endpoint_url: str

    @property
    def port(self) -> int:
        return urlsplit(self.endpoint_url).port or 80


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def _wait_until_open(port: int, process: subprocess.Popen) -> None:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        assert process.poll() is None, "the S3 server ended at once"
        time.sleep(0.05)
    raise TimeoutError(f"no S3 server on port {port}")


@pytest.fixture(scope="session")
def s3_server() -> Iterator[RunningServer]:
    given = os.environ.get("TAGLINE_TEST_S3_ENDPOINT")
    if given:
        yield RunningServer(given)
        return
    command = shutil.which("ministack")
    assert command, "put ministack on the PATH or set TAGLINE_TEST_S3_ENDPOINT"
    port = _free_port()
    settings = {"BIND_HOST": "127.0.0.1", "GATEWAY_PORT": str(port), "SERVICES": "s3"}
    process = subprocess.Popen(
        [command],
        env={**os.environ, **settings},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    os.environ.update(AWS_ACCESS_KEY_ID="test", AWS_SECRET_ACCESS_KEY="test")
    try:
        _wait_until_open(port, process)
        yield RunningServer(f"http://127.0.0.1:{port}")
    finally:
        process.terminate()
        process.wait(10)


@pytest.fixture
def s3_bucket(s3_server: RunningServer) -> str:
    name = f"tagline-test-{uuid.uuid4().hex[:12]}"
    client = boto3.client("s3", endpoint_url=s3_server.endpoint_url, region_name="us-east-1")
    client.create_bucket(Bucket=name)
    return name
