"""``make storm``: thousands of spoilt reads and of commits without a reply, from a seed."""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

from infra.demo.s3_server import S3Server
from tests.bench.machine import machine
from tests.storm.commits import storm_of_commits
from tests.storm.oracle import s3_client
from tests.storm.reads import storm_of_reads

CHECKPOINT_EVERY = 10


def main(arguments: list[str]) -> int:
    """Run both storms; prints one JSON object last on standard output.

    Returns:
        0 if nothing was lost, doubled, wrong or left out.
    """
    parser = argparse.ArgumentParser(prog="python -m tests.storm")
    parser.add_argument("--processes", type=int, default=8)
    parser.add_argument("--commits", type=int, default=200, help="by each process")
    parser.add_argument("--requests", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=1)
    chosen = parser.parse_args(arguments)
    before = machine()
    with (
        tempfile.TemporaryDirectory(prefix="tagline-storm-") as folder,
        S3Server(Path(folder)) as server,
    ):
        os.environ.update(server.env())
        report = _report(server, chosen)
    print(json.dumps(report | before))
    return 0 if is_clean(report) else 1


def _report(server: S3Server, chosen: argparse.Namespace) -> dict[str, Any]:
    client = s3_client(server.endpoint_url)
    for bucket in ("commits", "reads"):
        client.create_bucket(Bucket=bucket)
    reads = storm_of_reads(server.port, "reads", requests=chosen.requests, seed=chosen.seed)
    print(f"reads: {reads}", file=sys.stderr, flush=True)
    commits = storm_of_commits(
        server.port,
        "commits",
        processes=chosen.processes,
        commits=chosen.commits,
        seed=chosen.seed,
        checkpoint_every=CHECKPOINT_EVERY,
    )
    expected = chosen.processes * chosen.commits
    return {"seed": chosen.seed, "commits": commits | {"expected": expected}, "reads": reads}


def is_clean(report: dict[str, Any]) -> bool:
    """Whether all was done, and done right."""
    commits, reads = report["commits"], report["reads"]
    return (
        commits["commits"] == commits["expected"]
        and not any(commits[name] for name in ("lost", "doubled", "unacknowledged"))
        and not any(commits[name] for name in ("log_has_gaps", "errors"))
        and not any(reads[name] for name in ("wrong", "incomplete"))
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
