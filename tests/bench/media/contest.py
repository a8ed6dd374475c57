"""Contenders at the same task in turn, several times over, and what came of it."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Any

from tests.bench.media.environments import Interpreter
from tests.bench.media.roster import FLOOR, OURS, Contender
from tests.bench.media.running import Pictures, run_once
from tests.bench.media.tasks import Outcome, Task

OUT_OF_THE_RUNNING = 1.25
"""Who took this many times the CPU of the best peer at first is not run again."""

Judge = Callable[[Pictures], dict[str, float]]
"""From pictures to what they are worth; `WRONG` counts those that are not what was asked."""

WRONG = "wrong"


@dataclass
class Result:
    """What one contender did in all its runs.

    Attributes:
        outcomes: One a run.
        verdicts: What the judge said, one a run.
        unable: Why it could not do the work; empty if it did.
    """

    outcomes: list[Outcome] = field(default_factory=list)
    verdicts: list[dict[str, float]] = field(default_factory=list)
    unable: str = ""

    @property
    def cpu_s(self) -> float:
        """The median run's CPU seconds."""
        return median(outcome.cpu_s for outcome in self.outcomes)

    @property
    def pictures_per_core_s(self) -> float:
        """Pictures a second of CPU, in the median run."""
        return self.outcomes[0].pictures / max(self.cpu_s, 1e-9)

    @property
    def is_right(self) -> bool:
        """Whether it did the work in every run, with nothing wrong."""
        done = bool(self.outcomes) and not self.unable
        return done and not any(verdict.get(WRONG) for verdict in self.verdicts)

    def summary(self) -> dict[str, Any]:
        """For the report."""
        if self.unable:
            return {"unable": self.unable}
        spent = [outcome.cpu_s for outcome in self.outcomes]
        return {
            "frames_per_core_s": round(self.pictures_per_core_s, 2),
            "cpu_s": round(self.cpu_s, 3),
            "cpu_s_least": round(min(spent), 3),
            "cpu_s_most": round(max(spent), 3),
            "wall_s": round(median(outcome.wall_s for outcome in self.outcomes), 3),
            "runs": len(spent),
            **{
                name: max(verdict[name] for verdict in self.verdicts)
                for name in self.verdicts[0]
            },
        }


Results = dict[str, Result]
"""By the contender's name."""


def contend(
    title: str,
    contenders: Sequence[Contender],
    interpreters: Mapping[str, Interpreter],
    task_for: Callable[[Contender], Task],
    judge: Judge,
    runs: int,
    measure: Collection[str] = (),
) -> Results:
    """Run everybody once, and who is in the running again, in turn.

    Args:
        title: For messages.
        contenders: Who takes part.
        interpreters: What they are run with.
        task_for: What each is to do.
        judge: What the pictures are worth.
        runs: How often.
        measure: Names of those that Tagline is measured by: they stay in the running.

    Raises:
        RuntimeError: If Tagline cannot do the work.
    """
    results: Results = {contender.name: Result() for contender in contenders}
    for run in range(runs):
        limit_s = OUT_OF_THE_RUNNING * _best_cpu_s(results)
        for contender in contenders:
            result, stays = results[contender.name], contender.name in {OURS, *measure}
            if result.unable or (run and not stays and result.cpu_s > limit_s):
                continue
            interpreter = interpreters[contender.environment]
            outcome, pictures = run_once(contender, interpreter, task_for(contender))
            if outcome.unable:
                result.unable = outcome.unable
            else:
                result.outcomes.append(outcome)
                result.verdicts.append(judge(pictures))
            _tell(f"{title}, run {run + 1} of {runs}, {contender.name}: {_said(outcome)}")
    if results[OURS].unable:
        raise RuntimeError(f"{title}: Tagline cannot do the work: {results[OURS].unable}")
    return results


def best_peer(results: Results) -> str | None:
    """Who of the peers that did all of the work right took the least CPU."""
    peers = results.keys() - {OURS, FLOOR}
    right = {name: results[name].cpu_s for name in peers if results[name].is_right}
    return min(right, key=lambda name: right[name], default=None)


def times_as_fast(results: Results, peer: str | None) -> float | None:
    """Tagline's pictures per second of CPU over a peer's."""
    if peer is None or results[peer].unable:
        return None
    ours, theirs = results[OURS].pictures_per_core_s, results[peer].pictures_per_core_s
    return round(ours / theirs, 3)


def _best_cpu_s(results: Results) -> float:
    best = best_peer(results)
    return float("inf") if best is None else results[best].cpu_s


def _said(outcome: Outcome) -> str:
    return f"cannot: {outcome.unable}" if outcome.unable else f"{outcome.cpu_s:.2f} s of CPU"


def _tell(message: str) -> None:
    print(f"{time.strftime('%H:%M:%S')} {message}", file=sys.stderr, flush=True)
