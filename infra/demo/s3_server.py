"""A real S3 server on this machine, for the demo and the tests.

::

    with S3Server() as server:
        boto3.client("s3", endpoint_url=server.endpoint_url)

From the command line it stays in the background until it is stopped::

    python -m infra.demo.s3_server start|stop|status --state DIR
"""

from __future__ import annotations

import http.client
import os
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Self

import psutil

from infra.demo.s3_environment import ensure_environment
from schemas.failure import InfrastructureError

HOST = "127.0.0.1"
KEY = SECRET = "test"
REGION = "us-east-1"
_LAUNCHER = Path(__file__).with_name("s3_launch.py")
_PORT_TRIES = 3


class S3Server:
    """One server process; it ends with the thread that started it, at the latest.

    Args:
        state: Folder of its log and data; made if absent, a temporary one by default.
        port: On 127.0.0.1; 0 takes a free one at the first start and then keeps it.
        persist: Keep buckets and objects in `state` across restarts. Without it they
            are in memory, are read much faster, and are gone when the server stops.
        attached: Whether it dies with its parent.
    """

    def __init__(
        self,
        state: Path | None = None,
        *,
        port: int = 0,
        persist: bool = False,
        attached: bool = True,
    ) -> None:
        self.state = state or Path(tempfile.mkdtemp(prefix="tagline-s3-"))
        self.port = port
        self._persist = persist
        self._attached = attached
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.stop()

    @property
    def endpoint_url(self) -> str:
        """The server's address; known once it has been started."""
        return f"http://{HOST}:{self.port}"

    @property
    def log(self) -> Path:
        """What the server writes; appended to over restarts."""
        return self.state / "s3.log"

    @property
    def pid(self) -> int:
        """Process id.

        Raises:
            InfrastructureError: If it is not running.
        """
        if self._process is None or self._process.poll() is not None:
            raise InfrastructureError("the S3 server is not running; call start()")
        return self._process.pid

    def env(self) -> dict[str, str]:
        """The variables by which AWS clients are let in."""
        return client_environment()

    def start(self) -> None:
        """Start it and wait until it answers; nothing happens if it runs already.

        Raises:
            InfrastructureError: If it does not answer; with the end of its log.
        """
        if self._process is not None and self._process.poll() is None:
            return
        python = ensure_environment()
        self.state.mkdir(parents=True, exist_ok=True)
        tries = 1 if self.port else _PORT_TRIES
        for _ in range(tries):
            port = self.port or free_port()
            if self._start_on(port, python):
                self.port = port
                return
        raise InfrastructureError(
            f"the S3 server did not start on {HOST}:{port}; {self.log} ends with:\n"
            f"{self._end_of_log()}"
        )

    def stop(self) -> None:
        """End it and wait for that; nothing happens if it does not run."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """End it as a crash would (SIGKILL)."""
        self._end(signal.SIGKILL)

    def restart(self) -> None:
        """Stop it and start it on the same port."""
        self.stop()
        self.start()

    def _start_on(self, port: int, python: Path) -> bool:
        parent = os.getpid() if self._attached else 0
        with open(self.log, "ab") as log:
            self._process = subprocess.Popen(
                [str(python), str(_LAUNCHER), str(parent)],
                env=self._settings(port),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=not self._attached,
            )
        if _answers_soon(self._process, port):
            return True
        self.kill()
        return False

    def _settings(self, port: int) -> dict[str, str]:
        """All that the server sees of the environment, so that nothing strays in."""
        return {
            "PATH": os.defpath,
            "HOME": str(self.state),
            "TMPDIR": str(self.state),
            "BIND_HOST": HOST,
            "GATEWAY_PORT": str(port),
            "SERVICES": "s3",
            "LOG_LEVEL": "WARNING",
            "MINISTACK_REGION": REGION,
            "STATE_DIR": str(self.state / "state"),
            "S3_DATA_DIR": str(self.state / "data"),
            "S3_PERSIST": "1" if self._persist else "0",
            "PERSIST_STATE": "1" if self._persist else "0",
        }

    def _end(self, how: signal.Signals) -> None:
        if self._process is None:
            return
        self._process.send_signal(how)
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process = None

    def _end_of_log(self) -> str:
        return self.log.read_text(errors="replace")[-2000:] if self.log.exists() else ""


def client_environment() -> dict[str, str]:
    """The variables by which AWS clients are let into any `S3Server`."""
    return {
        "AWS_ACCESS_KEY_ID": KEY,
        "AWS_SECRET_ACCESS_KEY": SECRET,
        "AWS_REGION": REGION,
        "AWS_DEFAULT_REGION": REGION,
    }


def free_port() -> int:
    """A port of 127.0.0.1 that nobody listens on at the moment."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return probe.getsockname()[1]


def answers(port: int) -> bool:
    """Whether an S3 server of this kind answers on the port."""
    connection = http.client.HTTPConnection(HOST, port, timeout=5)
    try:
        connection.request("GET", "/_ministack/health")
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def _answers_soon(process: subprocess.Popen[bytes], port: int, seconds: float = 60) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline and process.poll() is None:
        # Another server on this port answers as well: wait for the one that is ours.
        if _listens(process.pid, port) and answers(port):
            return True
        time.sleep(0.05)
    return False


def _listens(pid: int, port: int) -> bool:
    try:
        held = psutil.Process(pid).net_connections("tcp")
    except psutil.NoSuchProcess:
        return False
    return any(one.status == psutil.CONN_LISTEN and one.laddr.port == port for one in held)


if __name__ == "__main__":
    import sys

    from infra.demo.s3_background import main

    sys.exit(main(sys.argv[1:]))
