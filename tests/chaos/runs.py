"""One run of the job: started, struck as the schedule says, and seen to its end."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from tests.chaos.journal import Journal
from tests.chaos.place import Place
from tests.chaos.processes import Family, Leavers, kill_all
from tests.chaos.runner import RunnerSettings
from tests.chaos.schedule import ENDS_A_RUN, Kill, Kind

LOOK_EVERY_S = 0.1
STALL_S = 300.0
"""A run that has done nothing for so long is stuck."""

RUN_LIMIT_S = 1200.0
ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Journals:
    """What a round's runs write down.

    Attributes:
        work: What engines were asked and answered.
        acknowledged: What runs took for committed.
    """

    work: Journal
    acknowledged: Journal


@dataclass
class Run:
    """A run at work.

    Attributes:
        process: The driver.
        family: It and all below it.
        journals: Of its round.
        began: Monotonic seconds.
        struck: The kills it has had.
        stuck: Whether it had to be ended because it did nothing.
    """

    process: subprocess.Popen[bytes]
    family: Family
    journals: Journals
    began: float
    struck: list[Kill] = field(default_factory=list)
    stuck: bool = False

    @property
    def ended_by(self) -> Kind | None:
        """What ended it before its work was done, if anything did."""
        if self.process.returncode == 0:
            return None
        return self.struck[-1].kind if self.struck else None

    def end(self) -> None:
        """Kill the driver and all below it."""
        everything = self.family.look()
        self.process.kill()
        kill_all(everything)
        self.process.wait()


def start(
    place: Place, job_file: Path, journals: Journals, printed: Path, *, real: bool
) -> Run:
    """Start a run; what it prints is appended to a file."""
    settings = RunnerSettings(
        harness=os.getpid(),
        work=str(journals.work.path),
        acknowledged=str(journals.acknowledged.path),
        real=real,
    )
    environment = os.environ | settings.to_environment()
    environment |= {"RAY_TMPDIR": str(place.ray), "TAGLINE_LOG_DIR": str(place.folder / "logs")}
    environment |= {"PYTHONPATH": str(ROOT), "TAGLINE_STATE_DIR": str(place.folder / "state")}
    command = [sys.executable, "-m", "tests.chaos.runner", "run", "--plain", str(job_file)]
    with open(printed, "ab") as out:
        process = subprocess.Popen(
            command,
            cwd=ROOT,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    family = Family(psutil.Process(process.pid))
    return Run(process, family, journals, time.monotonic())


def see_through(
    run: Run,
    schedule: deque[Kill],
    place: Place,
    leavers: Leavers,
    tell: Callable[[str], None],
) -> None:
    """Strike a run with what is next in the schedule, until it ends.

    What has no target yet waits for one: for the next run, if this one ends.
    """
    size = run.journals.work.size
    moved = last_strike = run.began
    at_work: float | None = None
    while run.process.poll() is None:
        time.sleep(LOOK_EVERY_S)
        now = time.monotonic()
        run.family.look()
        leavers.check()
        if run.journals.work.size != size:
            size, moved = run.journals.work.size, now
            at_work = at_work or now
        if now - moved > STALL_S or now - run.began > RUN_LIMIT_S:
            run.stuck = True
            run.end()
            break
        doomed = bool(run.struck) and run.struck[-1].kind in ENDS_A_RUN
        if not schedule or doomed or not _is_due(schedule[0], run, at_work, last_strike):
            continue
        if strike(schedule[0], run, place):
            kill = schedule.popleft()
            run.struck.append(kill)
            last_strike = moved = time.monotonic()
            tell(f"{kill.kind}, {now - run.began:.1f} s into the run")
    leavers.watch(run.family)


def _is_due(kill: Kill, run: Run, at_work: float | None, last_strike: float) -> bool:
    if run.struck:
        since = last_strike
    elif kill.early:
        since = run.began
    elif at_work is None:
        return False
    else:
        since = at_work
    return time.monotonic() - since >= kill.delay_s


def strike(kill: Kill, run: Run, place: Place) -> bool:
    """Do it, if what it hits is there; answers whether it was."""
    if kill.kind is Kind.DRIVER:
        run.process.send_signal(signal.SIGKILL)
        run.process.wait()
        return True
    if kill.kind is Kind.STORE:
        place.take_store_away(kill.outage_s)
        return True
    if kill.kind is Kind.SPILL_DISK:
        place.fill_disk(kill.outage_s)
        return True
    if kill.kind is Kind.RAY:
        targets = run.family.ray()
    else:
        among = run.family.decoders() if kill.kind is Kind.WORKER else run.family.engines()
        targets = [among[int(kill.pick * len(among))]] if among else []
    kill_all(targets)
    return bool(targets)
