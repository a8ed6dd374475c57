"""A little of what ``make fuzz`` does, and that its harness notices what should not be."""

from __future__ import annotations

import os
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.fuzz.__main__ import fuzzed
from tests.fuzz.corpus import Seed, corpus
from tests.fuzz.mutations import mutant
from tests.fuzz.pool import Fuzzing, Pool, Work
from tests.fuzz.trial import Outcome, Trial

SEED = 20


@pytest.fixture(scope="module")
def seeds() -> list[Seed]:
    return corpus()


@dataclass(frozen=True)
class Misbehaving:
    """Work that ends its process, hangs, swells or fails at some inputs."""

    def __call__(self, folder: Path) -> Work:
        return _misbehave


def _misbehave(number: int) -> Outcome:
    if number == 3:
        os.abort()
    if number == 5:
        time.sleep(60)
    if number == 7:
        return Outcome(number, "png", "unexpected", "ValueError: no")
    if number == 8:
        return Outcome(number, "png", "decoded", grown_mb=10_000.0)
    return Outcome(number, "png", "decoded")


def test_mutants_are_decoded_or_fail_by_name(seeds: list[Seed], tmp_path: Path) -> None:
    told: list[str] = []
    pool = Pool(Fuzzing(seeds, SEED), processes=1)
    tally = fuzzed(pool, seeds, SEED, range(500), tmp_path, told.append)
    assert not tally.bad, told
    assert tally.results.keys() == {"decoded", "typed"}
    assert tally.results.total() == 500
    assert min(tally.results.values()) > 100
    assert tally.by_format.keys() == {seed.form for seed in seeds}
    assert list(tmp_path.iterdir()) == []


def test_the_corpus_itself_is_decoded(seeds: list[Seed], tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr("tests.fuzz.mutations._CHANGES", (lambda *_: None,))
    monkeypatch.setattr("tests.fuzz.mutations.SHARE_MISTAKEN", 0.0)
    trial, failed = Trial(seeds, SEED, tmp_path), Counter[str]()
    for number in range(60):
        outcome = trial(number)
        failed[outcome.said] += outcome.result != "decoded"
    trial.close()
    assert failed.total() < 10, failed


def test_a_mutant_depends_on_its_seed_and_number_alone(seeds: list[Seed]) -> None:
    made = [mutant(seeds, SEED, number) for number in range(200)]
    same = corpus()
    again = [mutant(same, SEED, number) for number in reversed(range(200))]
    assert made == again[::-1]
    others = [mutant(seeds, SEED + 1, number) for number in range(200)]
    assert not any(one == other for one, other in zip(made, others, strict=True))
    originals = {seed.data for seed in seeds}
    assert sum(one.data in originals for one in made) < 30


def test_what_should_not_be_is_noticed_and_kept(seeds: list[Seed], tmp_path: Path) -> None:
    told: list[str] = []
    pool = Pool(Misbehaving(), processes=2, watchdog_s=1.5)
    tally = fuzzed(pool, seeds, SEED, range(12), tmp_path, told.append)
    assert tally.results == {"decoded": 9, "crashed": 1, "hung": 1, "unexpected": 1}
    assert {one.number: one.result for one in tally.bad} == {
        3: "crashed",
        5: "hung",
        7: "unexpected",
        8: "decoded",
    }
    assert len(pool.replaced_s) >= 1
    kept = tmp_path / f"seed-{SEED}"
    made = mutant(seeds, SEED, 3)
    assert (kept / f"3.{made.form}").read_bytes() == made.data
    said = (kept / "3.txt").read_text()
    assert "_misbehave" in said  # Where it died.
    assert f"make fuzz SEED={SEED} ONLY=3" in said
