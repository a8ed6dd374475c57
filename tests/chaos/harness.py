"""Rounds of runs, struck again and again, and what was found of them."""

from __future__ import annotations

import shutil
import sys
import time
from collections import Counter, deque
from dataclasses import dataclass, field
from typing import Any

from tests.chaos.journal import Journal, Work, work_of
from tests.chaos.oracle import Findings, Key, Oracle
from tests.chaos.place import INPUT, Place
from tests.chaos.processes import Leavers
from tests.chaos.runs import Journals, Run, see_through, start
from tests.chaos.schedule import Kill

SETTLE_S = 0.3
"""A request that was on its way when its sender was killed may still be carried out."""

MOST_FAILED_RUNS = 3
"""In a row and without a kill: the job cannot go on, and waiting will not mend it."""

MOST_IDLE_ROUNDS = 3
"""In a row: what is to be struck next never shows up."""


@dataclass
class Tally:
    """What happened, over all rounds."""

    struck: Counter[str] = field(default_factory=Counter)
    ended_by: Counter[str] = field(default_factory=Counter)
    exits: Counter[str] = field(default_factory=Counter)
    findings: Findings = field(default_factory=Findings)
    counts: Counter[str] = field(default_factory=Counter)
    work: list[Work] = field(default_factory=list)
    stuck: list[str] = field(default_factory=list)


class Harness:
    """Strikes the job of a place until the schedule is through and the work is done.

    When a round's work is done before that, the next one begins, with an output of its own.

    Args:
        place: Where it works; open.
        schedule: The kills.
        real: Whether the engine is vLLM.
    """

    def __init__(self, place: Place, schedule: list[Kill], *, real: bool) -> None:
        self.tally = Tally()
        self.leavers = Leavers()
        self._place = place
        self._schedule = deque(schedule)
        self._real = real
        self._run: Run | None = None
        self._began = time.monotonic()

    def work(self) -> None:
        """Do it all."""
        number = idle = 0
        while (self._schedule or not number) and not self.tally.stuck:
            left = len(self._schedule)
            self._round(number)
            number += 1
            idle = idle + 1 if left and len(self._schedule) == left else 0
            if idle == MOST_IDLE_ROUNDS:
                self.tally.stuck.append(f"no {self._schedule[0].kind} in {idle} rounds")
        self.leavers.end()

    def close(self) -> None:
        """End every process of every run."""
        if self._run is not None:
            self._run.end()
        self.leavers.kill()

    def _round(self, number: int) -> None:
        place, tables = self._place, self._place.pictures.tables
        self.tally.counts["rounds"] += 1
        items = [INPUT + name for name in place.pictures.names()]
        oracle = Oracle(items, tables, place.pictures.belongs)
        folder = place.folder
        journals = Journals(
            Journal(folder / f"work-{number}.jsonl"), Journal(folder / f"acked-{number}.jsonl")
        )
        failed, done = 0, False
        while not done and not self.tally.stuck:
            run = self._one_run(number, journals)
            done = run.process.returncode == 0
            self._look(number, oracle, journals, done=done)
            failed = 0 if done or run.struck else failed + 1
            if failed == MOST_FAILED_RUNS:
                self.tally.stuck.append(f"{failed} runs failed that nothing had been done to")
        self.tally.work.append(work_of(journals.work))
        self.tally.counts["failed_items"] += oracle.failures

    def _one_run(self, number: int, journals: Journals) -> Run:
        place, tally = self._place, self.tally
        self._tidy()
        printed = place.folder / f"printed-{number}.txt"
        job = place.job_file(number, real=self._real)
        run = self._run = start(place, job, journals, printed, real=self._real)
        see_through(run, self._schedule, place, self.leavers, self._tell)
        self._run = None
        tally.counts["runs"] += 1
        tally.struck.update(kill.kind for kill in run.struck)
        tally.exits[str(run.process.returncode)] += 1
        if run.ended_by is not None:
            tally.ended_by[run.ended_by] += 1
        if run.stuck:
            tally.stuck.append(f"a run did nothing any more after {run.ended_by}")
        self._tell(f"the run ended with {run.process.returncode}")
        return run

    def _look(self, number: int, oracle: Oracle, journals: Journals, *, done: bool) -> None:
        time.sleep(SETTLE_S)
        acknowledged: set[Key] = {
            (note["table"], *key)
            for note in journals.acknowledged.notes()
            for key in note["keys"]
        }
        output = self._place.output(number, set(self._place.pictures.tables.values()))
        found = oracle.look(output, acknowledged, done=done)
        self.tally.findings.add(found)
        self.tally.counts["checks"] += 1
        self._tell(
            f"{oracle.results} results, {oracle.failures} failures, {oracle.pending} pending"
            + (f"; WRONG: {found}" if found else "")
        )

    def _tidy(self) -> None:
        """Remove what earlier runs' Rays left on the disk."""
        for session in self._place.ray.glob("ray/session_2*"):
            shutil.rmtree(session, ignore_errors=True)

    def _tell(self, what: str) -> None:
        print(f"[{time.monotonic() - self._began:5.0f} s] {what}", file=sys.stderr, flush=True)


def figures(tally: Tally, asked: int, stayed: list[str]) -> dict[str, Any]:
    """What is printed last.

    Args:
        tally: What happened.
        asked: Kills that were asked for.
        stayed: Processes that outlived their run.
    """
    kills, findings = tally.struck.total(), tally.findings
    distinct = sum(work.distinct for work in tally.work) / max(1, len(tally.work))
    per_kill = 1 / max(1, distinct * kills)
    found = {
        "lost": len(findings.lost),
        "doubled": len(findings.doubled),
        "orphans_visible": len(findings.orphans),
        "mixed_up": len(findings.mixed_up),
        "rewritten": len(findings.rewritten),
        "problems": sorted(findings.problems),
        "stuck": tally.stuck,
        "processes_left": stayed,
    }
    return {
        "kills": kills,
        "kills_by_kind": dict(sorted(tally.struck.items())),
        **found,
        "ok": kills == asked and not any(found.values()),
        "repeated_fraction": sum(w.answered_again for w in tally.work) * per_kill,
        "begun_again_fraction": sum(w.begun_again for w in tally.work) * per_kill,
        **tally.counts,
        "runs_ended_by": dict(sorted(tally.ended_by.items())),
        "exits": dict(sorted(tally.exits.items())),
    }
