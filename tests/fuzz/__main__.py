"""``make fuzz``: mutated media through the production decode path, from a seed."""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from tests.bench.machine import machine
from tests.fuzz.corpus import Seed, corpus
from tests.fuzz.isolation import cost_of_isolation
from tests.fuzz.mutations import form_of, mutant
from tests.fuzz.pool import Fuzzing, Pool
from tests.fuzz.trial import Outcome

SAVED = Path(".demo/fuzz")
MOST_MB = 1500.0
"""By how much an input may make its process grow."""

RESULTS = ("decoded", "typed", "unexpected", "crashed", "hung")


@dataclass
class Tally:
    """What came of the inputs.

    Attributes:
        results: How often each result came, of all inputs and by format.
        codes: How often each code of a typed failure came.
        bad: The inputs with a result that should not be.
        most: The one for which the memory grew the most.
        slowest: The one that took the longest.
    """

    results: Counter[str] = field(default_factory=Counter)
    by_format: dict[str, Counter[str]] = field(default_factory=dict)
    codes: Counter[str] = field(default_factory=Counter)
    bad: list[Outcome] = field(default_factory=list)
    most: Outcome | None = None
    slowest: Outcome | None = None

    def add(self, outcome: Outcome) -> bool:
        """Count an outcome; answers whether it is as it should be."""
        self.results[outcome.result] += 1
        self.by_format.setdefault(outcome.form, Counter())[outcome.result] += 1
        if outcome.result == "typed":
            self.codes[outcome.said] += 1
        is_good = outcome.result in ("decoded", "typed") and outcome.grown_mb <= MOST_MB
        if not is_good:
            self.bad.append(outcome)
        self.most = max((self.most or outcome, outcome), key=lambda one: one.grown_mb)
        self.slowest = max((self.slowest or outcome, outcome), key=lambda one: one.seconds)
        return is_good

    def report(self) -> dict[str, Any]:
        """For people and programs."""
        assert self.most is not None
        assert self.slowest is not None
        return {
            "inputs": self.results.total(),
            **{result: self.results[result] for result in RESULTS},
            "too_much_memory": sum(one.grown_mb > MOST_MB for one in self.bad),
            "most_memory_mb": self.most.grown_mb,
            "most_memory_input": self.most.number,
            "slowest_s": self.slowest.seconds,
            "slowest_input": self.slowest.number,
            "codes": dict(self.codes.most_common()),
            "by_format": {form: dict(self.by_format[form]) for form in sorted(self.by_format)},
            "bad_inputs": [one.number for one in self.bad][:50],
        }


def main(arguments: list[str]) -> int:
    """Fuzz; prints one JSON object last on standard output.

    Returns:
        0 if each input was decoded or failed as it should.
    """
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz")
    parser.add_argument("--inputs", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", type=int, help="replay this input alone")
    parser.add_argument("--processes", type=int, default=2)
    chosen = parser.parse_args(arguments)
    seeds, before = corpus(), machine()
    numbers = range(chosen.inputs) if chosen.only is None else [chosen.only]
    started = time.monotonic()
    pool = Pool(Fuzzing(seeds, chosen.seed), min(chosen.processes, len(numbers)))
    tally = fuzzed(pool, seeds, chosen.seed, numbers, SAVED)
    report = {"seed": chosen.seed, **tally.report()}
    report["seconds"] = round(time.monotonic() - started, 1)
    report["replaced_s"] = [round(seconds, 1) for seconds in pool.replaced_s][:20]
    if chosen.only is None:
        report["isolation"] = cost_of_isolation()
    print(json.dumps(report | before))
    return 1 if tally.bad else 0


def fuzzed(
    pool: Pool,
    seeds: Sequence[Seed],
    seed: int,
    numbers: Sequence[int],
    saved: Path,
    tell: Callable[[str], None] = lambda line: print(line, file=sys.stderr, flush=True),
) -> Tally:
    """Run inputs through a pool, and save those of which comes what should not.

    Args:
        pool: Of children that fuzz.
        seeds: What is mutated.
        seed: Of the draws.
        numbers: Of the inputs.
        saved: Folder for bad inputs; those of the same seed that it holds go.
        tell: Told how it goes.
    """
    tally, due = Tally(), 0.0
    into = saved / f"seed-{seed}"
    if len(numbers) > 1:
        shutil.rmtree(into, ignore_errors=True)
    for outcome in pool.run(iter(numbers)):
        if not outcome.form:  # It could not say any more.
            outcome = replace(outcome, form=form_of(seeds, seed, outcome.number))
        if not tally.add(outcome):
            made = mutant(seeds, seed, outcome.number)
            into.mkdir(parents=True, exist_ok=True)
            (into / f"{outcome.number}.{made.form}").write_bytes(made.data)
            told = f"{outcome}\n{made.how}\nmake fuzz SEED={seed} ONLY={outcome.number}\n"
            (into / f"{outcome.number}.txt").write_text(told)
            tell(told)
        if time.monotonic() > due:
            due = time.monotonic() + 5
            done = tally.results.total()
            tell(f"{done:,} of {len(numbers):,}: {dict(tally.results)}")
    return tally


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
