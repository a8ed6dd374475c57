"""``python -m infra.demo.checkpoint build --out DIR``."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from infra.demo.checkpoint.architecture import ARCHITECTURES
from infra.demo.checkpoint.build import DEFAULT_FAMILY, build_checkpoint


def main(arguments: list[str]) -> int:
    """Build a checkpoint; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m infra.demo.checkpoint")
    commands = parser.add_subparsers(dest="command", required=True)
    build = commands.add_parser("build", help="write a tiny checkpoint with random weights")
    build.add_argument("--out", type=Path, required=True, help="folder to write")
    build.add_argument("--family", choices=sorted(ARCHITECTURES), default=DEFAULT_FAMILY)
    build.add_argument("--seed", type=int, default=0)
    chosen = parser.parse_args(arguments)
    print(build_checkpoint(chosen.out, chosen.family, chosen.seed))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
