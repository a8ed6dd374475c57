"""Read what the processes of a run tried to reach."""

from __future__ import annotations

import ast
import ipaddress
import os
import socket
from pathlib import Path

HERE = Path(__file__).parent


def environment(log: Path) -> dict[str, str]:
    """The variables that make a process and all its children keep the log."""
    path = os.pathsep.join(p for p in (str(HERE), os.environ.get("PYTHONPATH", "")) if p)
    return {"PYTHONPATH": path, "EGRESS_LOG": str(log)}


def reached(log: Path) -> set[str]:
    """All hosts and addresses that were tried."""
    return {
        str(ast.literal_eval(line.split(" ", 1)[1].rsplit(" ", 1)[0]))
        for line in log.read_text().splitlines()
    }


def outside(log: Path) -> set[str]:
    """Those that are not this machine."""
    return {host for host in reached(log) if not _is_here(host)}


def _is_here(host: str) -> bool:
    if host in {"None", "", "localhost", socket.gethostname(), socket.getfqdn()}:
        return True
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    return address.is_loopback or address.is_unspecified or str(address) in _own_addresses()


def _own_addresses() -> set[str]:
    import psutil

    return {a.address for addresses in psutil.net_if_addrs().values() for a in addresses}
