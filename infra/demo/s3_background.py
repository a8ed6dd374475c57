"""The demo's S3 server: runs in the background and keeps its data between two runs."""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil

from infra.demo.s3_server import S3Server, answers
from schemas.failure import InfrastructureError

NOT_RUNNING = 3


@dataclass(frozen=True)
class Running:
    """What is written down of a background server.

    Attributes:
        pid: Process id.
        started: When the process began, in seconds since the epoch: a pid comes back.
        port: On 127.0.0.1.
    """

    pid: int
    started: float
    port: int

    @property
    def endpoint_url(self) -> str:
        """Its address."""
        return f"http://127.0.0.1:{self.port}"

    def process(self) -> psutil.Process | None:
        """The process, or None if it has ended."""
        try:
            process = psutil.Process(self.pid)
            same = abs(process.create_time() - self.started) < 1
            return process if same and process.status() != psutil.STATUS_ZOMBIE else None
        except psutil.NoSuchProcess:
            return None


def status(state: Path) -> Running | None:
    """The server that runs with this state folder, if it answers."""
    known = _read(state)
    return known if known and known.process() and answers(known.port) else None


def start(state: Path) -> tuple[Running, bool]:
    """Have a server with this state folder.

    It gets the port that it had before, if that is still free.

    Returns:
        The server, and whether it had to be started.

    Raises:
        InfrastructureError: If it does not start.
    """
    running = status(state)
    if running:
        return running, False
    known = _read(state)
    stop(state)
    server = _started(state.resolve(), known.port if known else 0)
    running = Running(server.pid, psutil.Process(server.pid).create_time(), server.port)
    (state / "server.json").write_text(json.dumps(asdict(running)))
    return running, True


def stop(state: Path) -> bool:
    """End the server of this state folder; its data stay.

    Returns:
        Whether there was one.
    """
    known = _read(state)
    process = known.process() if known else None
    if process is None:
        return False
    process.terminate()
    try:
        process.wait(10)
    except psutil.TimeoutExpired:
        process.kill()
        process.wait(10)
    return True


def _started(state: Path, port_before: int) -> S3Server:
    server = S3Server(state, port=port_before, persist=True, attached=False)
    try:
        server.start()
    except InfrastructureError:
        if not port_before:
            raise
        server = S3Server(state, persist=True, attached=False)
        server.start()
    return server


def _read(state: Path) -> Running | None:
    path = state / "server.json"
    return Running(**json.loads(path.read_text())) if path.is_file() else None


def main(arguments: list[str]) -> int:
    """``start|stop|status --state DIR``; returns the exit code (3: not running)."""
    parser = argparse.ArgumentParser(prog="python -m infra.demo.s3_server")
    parser.add_argument("command", choices=["start", "stop", "status"])
    parser.add_argument("--state", type=Path, required=True, help="folder of data and log")
    chosen = parser.parse_args(arguments)
    if chosen.command == "stop":
        print("stopped" if stop(chosen.state) else "was not running")
        return 0
    running = start(chosen.state)[0] if chosen.command == "start" else status(chosen.state)
    if running is None:
        print("not running")
        return NOT_RUNNING
    print(running.endpoint_url)
    return 0
