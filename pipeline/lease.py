"""The right to write to an output, which one run at a time has.

A lease is an object at ``<output>/_tagline/leases/<number>.json``. A store lets one of several
make it; from then on only its holder writes it. The highest number holds. The holder beats: it
writes its lease anew every few seconds, and marks it as released at its end. A run that finds a
lease released, or its holder dead, takes the next number.

A holder may be stopped (a suspended machine, a long pause) and go on after its successor has
begun. Its commits are refused then: the successor leaves its number in the log of every table
before it writes, see `pipeline.fencing`, and each commit looks for a higher one, see
`pipeline.output_table`.
"""

from __future__ import annotations

import json
import logging
import os
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields, replace
from datetime import UTC, datetime
from pathlib import Path

import psutil

from operators.storage import open_store
from operators.storage.base import PutResult
from pipeline.store_check import require_conditional_writes
from schemas.failure import FailureCode, ItemFailure, OutputInUseError, StorageError, UsageError
from schemas.job import StorageSpec
from schemas.uris import join_uri

logger = logging.getLogger(__name__)

BEAT_S = 10.0
LIFE_S = 60.0
"""A holder that has not beaten for so long may be dead."""

WATCH_S = 25.0
"""So long a lease that looks dead is watched for a beat: clocks of machines differ."""

KEPT = 2
"""Leases that stay, the one that holds among them, so that numbers only grow."""


@dataclass(frozen=True)
class Holder:
    """Who holds a lease, as its object says.

    Attributes:
        run_id: The run.
        host: Its machine.
        pid: Its process there.
        process_began: When that process began, see `process_began`: numbers come again.
        since: When the lease was taken, ISO 8601.
        beats: How often the holder has beaten.
        beaten_at: When it last did by its own clock, seconds since the epoch.
        released: Whether it has let go.
        machine: See `this_machine`; empty in leases of earlier versions.
    """

    run_id: str
    host: str
    pid: int
    process_began: float
    since: str
    beats: int = 0
    beaten_at: float = 0.0
    released: bool = False
    machine: str = ""

    @property
    def is_dead_here(self) -> bool:
        """Whether it was a process of this machine, and is no more."""
        if self.host != socket.gethostname() or self.machine not in ("", this_machine()):
            return False
        try:
            return process_began(self.pid) != self.process_began
        except psutil.NoSuchProcess:
            return True

    def __str__(self) -> str:
        return f"{self.run_id} (on {self.host}, process {self.pid}, since {self.since})"


def this_machine() -> str:
    """This boot of this machine, and its namespace of processes; empty if that is not told.

    Names of hosts come twice, on cloned machines and in containers, and with them the numbers
    of processes: there, a run that is alive would be taken for one that is not.
    """
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        return f"{boot} {os.readlink('/proc/self/ns/pid')}"
    except OSError:
        return ""


def process_began(pid: int) -> float:
    """When a process of this machine began, in seconds since the machine did.

    The time of day would not do: a living process has another one once the clock is set.

    Raises:
        psutil.NoSuchProcess: There is none.
    """
    return round(psutil.Process(pid).create_time() - psutil.boot_time(), 2)


@dataclass(frozen=True)
class Lease:
    """What a run holds.

    Attributes:
        number: Higher than that of any run before.
        takes_over: Whether the run before it may still be at work.
    """

    number: int
    takes_over: bool = False


@contextmanager
def held_lease(output: str, storage: StorageSpec, run_id: str) -> Iterator[Lease]:
    """Hold an output's lease while the block runs.

    Args:
        output: Root of the output.
        storage: How its store is reached.
        run_id: Of the run that wants it.

    Raises:
        OutputInUseError: If another run has it.
        UsageError: If the output cannot be written.
        StorageError: If the store stayed unusable.
    """
    leases = _Leases(output, storage)
    lease, holder = _taken(leases, run_id)
    ended = threading.Event()
    beating = threading.Thread(
        target=_beat, args=(leases, lease, holder, ended), name="tagline-lease", daemon=True
    )
    beating.start()
    try:
        yield lease
    finally:
        ended.set()
        beating.join()
        _let_go(leases, lease, holder)


def _let_go(leases: _Leases, lease: Lease, holder: Holder) -> None:
    """Release a lease. If that fails it ends with this process all the same, only later."""
    try:
        leases.write(lease.number, replace(holder, beaten_at=time.time(), released=True))
    except (StorageError, UsageError) as error:
        logger.warning("the lease of %s was not released: %s", leases.output, error)


class _Leases:
    """An output's leases, as objects."""

    def __init__(self, output: str, storage: StorageSpec) -> None:
        self.output = output
        self._folder = join_uri(output, "_tagline", "leases")
        self._store = open_store(self._folder, storage)

    def numbers(self) -> list[int]:
        """All there are, in order."""
        try:
            keys = [info.key for info in self._store.list(self._folder)]
        except UsageError:
            # There are none yet; whether there can be, the first write will tell.
            return []
        stems = (key.removesuffix(".json") for key in keys)
        return sorted(int(stem) for stem in stems if stem.isdecimal())

    def read(self, number: int) -> Holder | None:
        """Who holds it; None if it is gone."""
        uri = self._uri(number)
        try:
            told = json.loads(self._store.get(uri))
            # A later version may tell more.
            return Holder(
                **{one.name: told[one.name] for one in fields(Holder) if one.name in told}
            )
        except ItemFailure as failure:
            if failure.code is FailureCode.MISSING_OBJECT:
                return None
            raise StorageError(failure.message) from failure
        except (ValueError, TypeError) as error:
            raise StorageError(
                f"{uri} is no lease that this version of Tagline can read ({error}); if no run "
                "is at work there, delete it"
            ) from error

    def make(self, number: int, holder: Holder) -> bool:
        """Take a number that nobody has; answers whether nobody had it."""
        made = self._store.put(self._uri(number), _bytes(holder), if_absent=True)
        return made is PutResult.WRITTEN

    def require_exclusive(self, number: int) -> None:
        """Raise `UsageError`, and leave nothing, if another could make one's own, too."""
        try:
            require_conditional_writes(self._store, self._uri(number))
        except UsageError:
            self._store.delete(self._uri(number))
            raise

    def write(self, number: int, holder: Holder) -> None:
        """Write one's own."""
        self._store.put(self._uri(number), _bytes(holder))

    def forget(self, numbers: list[int]) -> None:
        """Remove old ones."""
        for number in numbers:
            self._store.delete(self._uri(number))

    def _uri(self, number: int) -> str:
        return join_uri(self._folder, f"{number:09d}.json")


def _bytes(holder: Holder) -> bytes:
    return json.dumps(asdict(holder)).encode()


def _taken(leases: _Leases, run_id: str) -> tuple[Lease, Holder]:
    """The next lease, once nobody has the last one."""
    holder = Holder(
        run_id,
        socket.gethostname(),
        os.getpid(),
        process_began(os.getpid()),
        f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S} UTC",
        beaten_at=time.time(),
        machine=this_machine(),
    )
    numbers = leases.numbers()
    last = numbers[-1] if numbers else 0
    before = leases.read(last) if last else None
    if before is not None:
        _require_end(leases, last, before)
    lease = Lease(last + 1, takes_over=before is not None and not before.released)
    if not leases.make(lease.number, holder):
        other = leases.read(lease.number)
        raise _in_use(leases, other, "has just taken it")
    leases.require_exclusive(lease.number)
    leases.forget(numbers[: 1 - KEPT])
    return lease, holder


def _require_end(leases: _Leases, number: int, holder: Holder) -> None:
    """Raise `OutputInUseError` unless a lease was released or its holder is dead."""
    if holder.released or holder.is_dead_here:
        return
    silent_s = time.time() - holder.beaten_at
    if abs(silent_s) < LIFE_S:
        left = LIFE_S - silent_s
        raise _in_use(
            leases,
            holder,
            f"was heard of {max(silent_s, 0):.0f} s ago (if it is gone, try again in "
            f"{left:.0f} s)",
        )
    deadline = time.monotonic() + WATCH_S
    while time.monotonic() < deadline:
        time.sleep(min(1.0, WATCH_S))
        now = leases.read(number)
        if now is None or now.released:
            return
        if now.beats != holder.beats:
            raise _in_use(leases, now, "is at work")


def _in_use(leases: _Leases, holder: Holder | None, how: str) -> OutputInUseError:
    return OutputInUseError(
        f"{leases.output} is in use: run {holder or 'of another process'} {how}; wait for its "
        "end, or give this job another output"
    )


def _beat(leases: _Leases, lease: Lease, holder: Holder, ended: threading.Event) -> None:
    """Tell of being alive until the end. A beat that fails is made up for by the next."""
    beats = 0
    while not ended.wait(BEAT_S):
        beats += 1
        try:
            leases.write(lease.number, replace(holder, beats=beats, beaten_at=time.time()))
        except (StorageError, UsageError):
            continue
