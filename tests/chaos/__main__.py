"""``make chaos``: kill a real job at random moments; prints one JSON object last."""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.chaos.harness import Harness, figures
from tests.chaos.pictures import Mosaics, Pictures, Scenes
from tests.chaos.place import Place
from tests.chaos.schedule import Kind, make_schedule

OWN_MOUNTS = "TAGLINE_CHAOS_OWN_MOUNTS"
ITEMS, REAL_ITEMS = 1000, 2000
"""So many that decoding still goes on when the engine has begun."""


def main(arguments: list[str]) -> int:
    """Run the harness; returns 0 if nothing came to harm."""
    chosen = _parser().parse_args(arguments)
    kinds = list(dict.fromkeys(chosen.kinds))
    left_out = {}
    if Kind.SPILL_DISK in kinds and OWN_MOUNTS not in os.environ:
        prefix = own_mounts_prefix()
        if prefix is not None:
            again = [*prefix, sys.executable, "-m", "tests.chaos", *arguments]
            os.execvpe(again[0], again, os.environ | {OWN_MOUNTS: "1"})
        kinds.remove(Kind.SPILL_DISK)
        left_out[Kind.SPILL_DISK] = "nothing may be mounted here"
    schedule = make_schedule(chosen.seed, chosen.kills, kinds)
    items = chosen.items or (REAL_ITEMS if chosen.real else ITEMS)
    pictures: Pictures = Scenes(items) if chosen.real else Mosaics(items)
    folder = Path(tempfile.mkdtemp(prefix="tgc-"))
    place = Place(folder, pictures, small_disk=Kind.SPILL_DISK in kinds)
    harness = Harness(place, schedule, real=chosen.real)
    # As Ctrl-C does, so that what is below is cleaned up.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    began = time.monotonic()
    try:
        place.open()
        harness.work()
    finally:
        harness.close()
        place.close()
    told = figures(harness.tally, chosen.kills, harness.leavers.stayed)
    told |= {"seed": chosen.seed, "items": items, "engine": "vllm" if chosen.real else "fake"}
    told |= {"left_out": left_out, "wall_s": round(time.monotonic() - began, 1)}
    if told["ok"] and not chosen.keep:
        shutil.rmtree(folder, ignore_errors=True)
    else:
        print(f"Logs and journals: {folder}", file=sys.stderr)
    print(json.dumps(told))
    return 0 if told["ok"] else 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--seed", type=int, default=1, help="of kinds and moments")
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--kinds", type=Kind, nargs="+", default=list(Kind), choices=list(Kind))
    parser.add_argument("--items", type=int, help="pictures")
    parser.add_argument("--real", action="store_true", help="with the demo's model in vLLM")
    parser.add_argument("--keep", action="store_true", help="keep logs and journals")
    return parser


def own_mounts_prefix() -> list[str] | None:
    """The command under which a process may mount a disk that nobody else sees.

    A mount that belongs to the harness is gone when the harness is, whatever ends it.

    Returns:
        None where nothing may be mounted.
    """
    if shutil.which("unshare") is None:
        return None
    prefix = ["unshare", "--mount"] + (["--map-root-user"] if os.getuid() else [])
    with tempfile.TemporaryDirectory() as folder:
        mount = ["mount", "-t", "tmpfs", "tagline-chaos", folder]
        tried = subprocess.run([*prefix, *mount], capture_output=True, check=False)
    return None if tried.returncode else prefix


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
