"""``make demo-eval [SEEDS=a..b]``: how true a model's answers are, through `tagline run`.

Draws items from seeds that it was not trained on, annotates them with Tagline's own command
line, and compares the tables with the truth. A table comes first, one JSON object last.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

import yaml

from infra.demo.checkpoint.trained import MODEL
from infra.demo.evaluation.parts import PARTS, Item, Part
from infra.demo.evaluation.scores import AIMS, KINDS, SCORERS, Tally, figures
from infra.demo.s3_environment import ROOT
from infra.demo.world.seeds import TEST_SEEDS, TRAINING_SEEDS
from operators.models.checkpoint import find_checkpoint
from operators.tasks.registry import TASKS
from pipeline.delta import open_table, query
from schemas.failure import InfrastructureError, UsageError
from schemas.job import StorageSpec

DEFAULT_COUNT = 60


def main(arguments: Sequence[str]) -> int:
    """Measure; returns the exit code, which says nothing of how good the figures are."""
    parser = argparse.ArgumentParser(prog="python -m infra.demo.evaluate")
    first = TEST_SEEDS.start
    parser.add_argument("--seeds", default=f"{first}..{first + DEFAULT_COUNT - 1}")
    parser.add_argument("--model", type=Path, default=MODEL, help="folder of a checkpoint")
    parser.add_argument("--parts", nargs="*", choices=[part.name for part in PARTS])
    parser.add_argument("--keep", type=Path, help="leave media and tables in this folder")
    chosen = parser.parse_args(arguments)
    parts = [part for part in PARTS if not chosen.parts or part.name in chosen.parts]
    try:
        seeds = seeds_of(chosen.seeds)
        find_checkpoint(str(chosen.model))
        with tempfile.TemporaryDirectory(prefix="tagline-eval-") as scratch:
            folder = (chosen.keep or Path(scratch)).resolve()
            tally = measure(parts, seeds, chosen.model.resolve(), folder)
    except UsageError as error:
        print(f"evaluate: {error}", file=sys.stderr)
        return 2
    except InfrastructureError as error:
        print(f"evaluate: {error}", file=sys.stderr)
        return 3
    report(tally, len(seeds))
    return 0


def seeds_of(text: str) -> range:
    """From ``a..b``, both included.

    Raises:
        UsageError: If it is no such range, or the model was trained on some of it.
    """
    first, dots, last = text.partition("..")
    if not (dots and first.isdecimal() and last.isdecimal() and int(first) <= int(last)):
        raise UsageError(f"SEEDS is {text!r}; write a..b, such as {TEST_SEEDS.start}..7500099")
    if int(first) in TRAINING_SEEDS or int(last) in TRAINING_SEEDS:
        raise UsageError(
            f"SEEDS {text} were trained on; choose from {TRAINING_SEEDS.stop} upwards"
        )
    return range(int(first), int(last) + 1)


def measure(parts: Sequence[Part], seeds: Sequence[int], model: Path, folder: Path) -> Tally:
    """Run the jobs and judge their rows.

    Raises:
        InfrastructureError: If a job fails.
    """
    tally = Tally()
    for part in parts:
        items = part.prepare(folder, seeds)
        file = folder / f"{part.name}.yaml"
        job = part.job(folder, model)
        file.write_text(yaml.safe_dump(job, sort_keys=False))
        print(f"{part.name}: {len(items)} items", flush=True)
        _run(file)
        tables = Counter(TASKS[task["task"]].table for task in part.tasks)
        for table, tasks in tables.items():
            _judge(tally, table, tasks, Path(job["output"]["uri"]) / table, items)
    return tally


def _run(file: Path) -> None:
    command = [sys.executable, "-m", "jobs.cli", "run", "--plain", str(file)]
    done = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, env=os.environ, check=False
    )
    if done.returncode:
        raise InfrastructureError(
            f"the job {file.name} ended with exit code {done.returncode}:\n"
            f"{done.stdout}{done.stderr}"
        )


def _judge(tally: Tally, table: str, tasks: int, uri: Path, items: Mapping[str, Item]) -> None:
    """Judge a table's rows; `tasks` of the job write to it, one row an item each."""
    scorer, came = SCORERS[table], Counter[str]()
    opened = open_table(str(uri), StorageSpec())
    rows = query(opened, "SELECT * FROM rows").read_all().to_pylist() if opened else []
    judged = {id_: i.truth for id_, i in items.items() if isinstance(i.truth, KINDS[table])}
    for row in rows:
        if row["item_id"] in judged:
            came[row["item_id"]] += 1
            scorer(tally, judged[row["item_id"]], row)
    for id_, truth in judged.items():
        for _ in range(tasks - came[id_]):
            scorer(tally, truth, None)


def report(tally: Tally, seeds: int) -> None:
    """Print the table, and the figures as JSON."""
    found = figures(tally)
    print(f"\n{'figure':<24}{'reached':>9}{'aim':>9}")
    for name, value in found.items():
        sign = "<=" if name == "conflict_false_alarms" else ">="
        shown = "-" if value is None else f"{value:.3f}"
        print(f"{name:<24}{shown:>9}{sign:>5}{AIMS[name]:.2f}")
    print(json.dumps({**found, "seeds": seeds}))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
