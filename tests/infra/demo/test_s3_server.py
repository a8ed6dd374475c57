from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import psutil
import pytest

from infra.demo import s3_background
from infra.demo.s3_background import NOT_RUNNING, main
from infra.demo.s3_server import S3Server, answers, client_environment, free_port
from schemas.failure import InfrastructureError

ROOT = Path(__file__).parents[3]


@pytest.fixture(autouse=True)
def _let_in(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in client_environment().items():
        monkeypatch.setenv(name, value)


@pytest.fixture
def background(tmp_path: Path) -> Iterator[Path]:
    state = tmp_path / "background"
    yield state
    s3_background.stop(state)


def client(endpoint_url: str) -> Any:
    return boto3.client("s3", endpoint_url=endpoint_url)


def wait_until_gone(pid: int) -> bool:
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        if not psutil.pid_exists(pid) or psutil.Process(pid).status() == "zombie":
            return True
        time.sleep(0.05)
    return False


def test_it_serves_objects_and_listens_to_this_machine_alone(tmp_path: Path) -> None:
    with S3Server(tmp_path / "s3") as server:
        s3 = client(server.endpoint_url)
        s3.create_bucket(Bucket="bucket")
        s3.put_object(Bucket="bucket", Key="a/ö b.jpg", Body=b"content")
        got = s3.get_object(Bucket="bucket", Key="a/ö b.jpg", Range="bytes=1-3")
        assert got["Body"].read() == b"ont"
        listening = [
            one.laddr.ip
            for one in psutil.Process(server.pid).net_connections("inet")
            if one.status == psutil.CONN_LISTEN
        ]
        assert listening == ["127.0.0.1"]
        assert server.log.exists()
        pid = server.pid
    assert wait_until_gone(pid)
    assert not answers(server.port)


def test_after_a_kill_it_comes_back_on_the_same_port(tmp_path: Path) -> None:
    with S3Server(tmp_path / "s3") as server:
        first, port = server.pid, server.port
        server.kill()
        assert not answers(port)
        with pytest.raises(InfrastructureError, match="not running"):
            _ = server.pid
        server.start()
        second = server.pid
        server.restart()
        assert (server.port, answers(port)) == (port, True)
        assert len({first, second, server.pid}) == 3


def test_with_persist_what_was_stored_outlives_a_kill(tmp_path: Path) -> None:
    with S3Server(tmp_path / "s3", persist=True) as server:
        client(server.endpoint_url).create_bucket(Bucket="bucket")
        client(server.endpoint_url).put_object(Bucket="bucket", Key="a", Body=b"content")
        before = client(server.endpoint_url).head_object(Bucket="bucket", Key="a")
        server.kill()
        server.start()
        after = client(server.endpoint_url).head_object(Bucket="bucket", Key="a")
        assert after["ETag"] == before["ETag"]
        assert after["LastModified"] == before["LastModified"]
        with pytest.raises(Exception, match="PreconditionFailed"):
            client(server.endpoint_url).put_object(
                Bucket="bucket", Key="a", Body=b"other", IfNoneMatch="*"
            )


def test_a_port_in_use_is_an_error_that_names_it(tmp_path: Path) -> None:
    with (
        S3Server(tmp_path / "one") as one,
        pytest.raises(InfrastructureError, match=f"127.0.0.1:{one.port}"),
    ):
        S3Server(tmp_path / "two", port=one.port).start()


def test_when_its_parent_is_killed_it_dies_too(tmp_path: Path) -> None:
    code = (
        "import sys, time; from pathlib import Path\n"
        "from infra.demo.s3_server import S3Server\n"
        "server = S3Server(Path(sys.argv[1])); server.start()\n"
        "print(server.pid, flush=True); time.sleep(60)\n"
    )
    parent = subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path / "s3")],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert parent.stdout
    pid = int(parent.stdout.readline())
    assert psutil.pid_exists(pid)
    parent.send_signal(signal.SIGKILL)
    parent.wait(10)
    parent.stdout.close()
    assert wait_until_gone(pid)


def test_in_the_background_it_outlives_its_starter_and_is_found_again(background: Path) -> None:
    command = [sys.executable, "-m", "infra.demo.s3_server"]
    started = subprocess.run(
        [*command, "start", "--state", str(background)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    endpoint_url = started.stdout.strip()
    client(endpoint_url).create_bucket(Bucket="bucket")
    again, was_started = s3_background.start(background)
    assert (again.endpoint_url, was_started) == (endpoint_url, False)
    assert main(["stop", "--state", str(background)]) == 0
    assert main(["status", "--state", str(background)]) == NOT_RUNNING
    revived, was_started = s3_background.start(background)
    assert (revived.endpoint_url, was_started) == (endpoint_url, True)
    buckets = client(endpoint_url).list_buckets()["Buckets"]
    assert [one["Name"] for one in buckets] == ["bucket"]


def test_a_process_that_got_the_servers_old_pid_is_left_alone(background: Path) -> None:
    background.mkdir()
    stale = {"pid": os.getpid(), "started": 1.0, "port": free_port()}
    (background / "server.json").write_text(json.dumps(stale))
    assert s3_background.status(background) is None
    assert s3_background.stop(background) is False
    running, was_started = s3_background.start(background)
    assert was_started
    assert running.pid != os.getpid()
    assert running.port == stale["port"]


def test_when_its_old_port_is_taken_it_gets_another(tmp_path: Path, background: Path) -> None:
    first, _ = s3_background.start(background)
    s3_background.stop(background)
    with S3Server(tmp_path / "other", port=first.port):
        second, _ = s3_background.start(background)
        assert second.port != first.port
        assert answers(second.port)
