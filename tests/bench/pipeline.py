"""``make bench-pipeline``: how much of the engine's speed a whole job keeps.

Four contenders annotate the same images, no two of which are equal, with the same small
model, prompt, sampling and engine arguments, each in a process of its own, one after the
other, several times over:

- tagline: a whole job, from the engine's being ready to the last commit;
- engine: ``LLM.generate`` on images that were decoded and shrunk before;
- script: get, open, ``LLM.generate`` in batches of 32, one Parquet file;
- ray_data_llm: `ray.data.llm` over `ray.data.read_binary_files`.

Nobody is warmed up, and nobody's engine start is counted.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from contextlib import ExitStack
from pathlib import Path

from infra.demo.checkpoint.build import ensure_checkpoint
from infra.demo.s3_environment import ROOT
from infra.demo.s3_server import S3Server
from tests.bench import ray_data_llm_environment
from tests.bench.collection import BUCKET, client, key, upload_files
from tests.bench.contenders.outcome import Outcome, read_outcome
from tests.bench.machine import machine
from tests.bench.photographs import ONE_MP, TWELVE_MP, PhotoSet
from tests.bench.summary import ENGINE, RAY_DATA_LLM, SCRIPT, TAGLINE, summarise
from tests.bench.workload import make_workload

SETS = (ONE_MP, TWELVE_MP)
CONTENDER_LIMIT_S = 1800


def main(arguments: list[str]) -> int:
    """Run the benchmark; prints one JSON object last on standard output."""
    chosen = _parse(arguments)
    interpreters = dict.fromkeys((TAGLINE, ENGINE, SCRIPT), Path(sys.executable))
    if not chosen.skip_ray_data_llm:
        _say("making the environment of ray.data.llm, if it is not there")
        interpreters[RAY_DATA_LLM] = ray_data_llm_environment.ensure_environment()
    with ExitStack() as stack:
        scratch = chosen.keep or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        scratch.mkdir(parents=True, exist_ok=True)
        server = stack.enter_context(S3Server(scratch / "s3"))
        os.environ.update(server.env())
        about = machine() | {"items": chosen.items, "runs": chosen.runs}
        about["bytes_per_file"] = _prepare(server, scratch, chosen.items)
        outcomes = _contend(scratch, interpreters, chosen.runs)
    print(json.dumps(summarise(outcomes) | about))
    return 0


def _parse(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.pipeline")
    parser.add_argument("--runs", type=int, default=3, help="of every contender")
    parser.add_argument("--items", type=int, default=256, help="images of each set")
    parser.add_argument("--skip-ray-data-llm", action="store_true")
    parser.add_argument("--keep", type=Path, help="folder for logs and outcomes")
    return parser.parse_args(arguments)


def _prepare(server: S3Server, scratch: Path, items: int) -> dict[str, int]:
    """Draw, upload, build the model and write the workloads; bytes of a file by set."""
    model = ensure_checkpoint(scratch.resolve() / "model")
    s3 = client(server.endpoint_url)
    s3.create_bucket(Bucket=BUCKET)
    sizes = {}
    for photos in SETS:
        _say(f"drawing and uploading {items} photographs of {photos.width}x{photos.height}")
        sizes[photos.name] = upload_files(s3, photos, items)
        keys = [key(photos, number) for number in range(items)]
        workload = make_workload(server.endpoint_url, BUCKET, keys, model)
        workload.save(_workload_file(scratch, photos))
    return sizes


def _contend(
    scratch: Path, interpreters: dict[str, Path], runs: int
) -> dict[str, dict[str, list[Outcome]]]:
    outcomes: dict[str, dict[str, list[Outcome]]] = {p.name: defaultdict(list) for p in SETS}
    for run in range(1, runs + 1):
        for photos in SETS:
            for contender, python in interpreters.items():
                outcome = _run(scratch, photos, contender, python, run)
                rate = outcome.items / outcome.seconds
                _say(f"run {run} of {runs}, {photos.name}, {contender}: {rate:.2f} items/s")
                outcomes[photos.name][contender].append(outcome)
    return outcomes


def _run(scratch: Path, photos: PhotoSet, contender: str, python: Path, run: int) -> Outcome:
    """Run one contender once.

    Raises:
        RuntimeError: If it fails or takes too long; with the end of its log.
    """
    name = f"{photos.name}-{contender}-{run}"
    outcome, log = scratch / f"{name}.json", scratch / f"{name}.log"
    module = (
        [str(Path(__file__).parent / "contenders" / "ray_data_llm.py")]
        if contender == RAY_DATA_LLM
        else ["-m", f"tests.bench.contenders.{contender}"]
    )
    command = [str(python), *module, str(_workload_file(scratch, photos)), str(outcome)]
    with log.open("w") as file:
        try:
            ended = subprocess.run(
                command,
                cwd=ROOT,
                stdout=file,
                stderr=subprocess.STDOUT,
                timeout=CONTENDER_LIMIT_S,
                check=False,
            ).returncode
        except subprocess.TimeoutExpired:
            ended = f"nothing within {CONTENDER_LIMIT_S} s"
    if ended != 0:
        raise RuntimeError(f"{name} ended with {ended}:\n{log.read_text()[-4000:]}")
    return read_outcome(outcome)


def _workload_file(scratch: Path, photos: PhotoSet) -> Path:
    return scratch.resolve() / f"{photos.name}.json"


def _say(message: str) -> None:
    print(f"{time.strftime('%H:%M:%S')} {message}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
