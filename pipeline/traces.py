"""What a run leaves of what it had in hand, for the one after it if it dies as a whole.

An item may take down more than its worker: memory runs out and Ray goes, or the machine does.
Then nobody is left who knows of it, and the next run would die of it as well, and so on. So the
board writes down, before items are taken up, which ones are in hand:

- in a file of this machine, if Ray was started here, in ``TAGLINE_STATE_DIR``, or else below
  ``XDG_STATE_HOME`` or ``~/.local/state``. It outlives all processes. Nobody waits for the
  disk, so that it may not outlive a machine that fails;
- in the output, ``_tagline/traces/<number of the lease>.json``, if the run before has died: it
  costs a request for each batch, and outlives the machine.

A run that ends by itself takes its trace away. One that finds a trace counts a death for each
item in it, see `pipeline.journal.Deaths`.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import os
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, BinaryIO

from operators.storage import Store, open_store
from pipeline.journal import NONE, Deaths
from pipeline.lease import Lease
from schemas.failure import ItemFailure, StorageError, UsageError
from schemas.job import StorageSpec
from schemas.uris import join_uri

logger = logging.getLogger(__name__)

STATE_VARIABLE = "TAGLINE_STATE_DIR"
LONGEST_FILE = 4 * 1024**2
"""Bytes of a file of traces from which on a new one takes its place."""


@dataclass(frozen=True)
class Trace:
    """What a run has left.

    Attributes:
        number: Of its lease.
        in_hand: Names of the items that were being worked on.
        alone: Stage and name of the one item that was, while nothing else of the run went on.
        deaths: Of runs before it, by name: of items that are not through yet.
        closed: Whether the run ended by itself.
    """

    number: int
    in_hand: list[str] = field(default_factory=list)
    alone: tuple[str, str] | None = None
    deaths: Mapping[str, Deaths] = field(default_factory=dict)
    closed: bool = False

    def to_json(self) -> bytes:
        """As it is written."""
        return json.dumps(asdict(self), ensure_ascii=False).encode()

    @staticmethod
    def from_json(data: bytes) -> Trace:
        """The inverse of `to_json`."""
        told = json.loads(data)
        told["deaths"] = {name: Deaths(**of_one) for name, of_one in told["deaths"].items()}
        told["alone"] = None if told["alone"] is None else tuple(told["alone"])
        return Trace(**told)

    def blamed(self) -> dict[str, Deaths]:
        """The deaths of all runs up to the one that left this."""
        found = dict(self.deaths)
        if self.closed:
            return found
        if self.alone is not None:
            stage, name = self.alone
            before = found.get(name, NONE)
            again = {**before.alone, stage: before.alone.get(stage, 0) + 1}
            found[name] = replace(before, alone=again)
            return found
        for name in self.in_hand:
            before = found.get(name, NONE)
            found[name] = replace(before, with_others=before.with_others + 1)
        return found


class TraceFolder:
    """A place for traces; can be shipped.

    Args:
        uri: The folder.
        storage: How its store is reached.
    """

    def __init__(self, uri: str, storage: StorageSpec) -> None:
        self.uri = uri
        self._storage = storage
        self._failed = False

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.uri, self._storage)

    @cached_property
    def _store(self) -> Store:
        return open_store(self.uri, self._storage)

    def numbers(self) -> list[int]:
        """Of all traces there, in order."""
        try:
            stems = [info.key.removesuffix(".json") for info in self._store.list(self.uri)]
        except UsageError:
            return []  # There is no such folder yet.
        return sorted(int(stem) for stem in stems if stem.isdecimal())

    def read(self, number: int) -> Trace:
        """The trace of a number; one that tells of nothing, if it cannot be read."""
        uri = self._uri(number)
        try:
            return Trace.from_json(self._get(uri))
        except (ItemFailure, ValueError, TypeError, KeyError) as error:
            logger.warning("the trace %s cannot be read: %s", uri, error)
            return Trace(number)

    def write(self, trace: Trace) -> None:
        """Write a trace; the work goes on if that fails, with one line in the log."""
        try:
            self._put(self._uri(trace.number), trace.to_json())
        except (StorageError, UsageError, OSError) as error:
            if not self._failed:
                logger.warning("what is in hand cannot be written down: %s", error)
            self._failed = True

    def _get(self, uri: str) -> bytes:
        return self._store.get(uri)

    def _put(self, uri: str, data: bytes) -> None:
        self._store.put(uri, data)

    def forget(self, number: int) -> None:
        """Remove a trace."""
        try:
            self._store.delete(self._uri(number))
        except (StorageError, UsageError) as error:
            logger.warning("the trace %s stays behind: %s", self._uri(number), error)

    def _uri(self, number: int) -> str:
        return join_uri(self.uri, f"{number:09d}.json")


class FolderHere(TraceFolder):
    """One on this machine, in whose files each trace is a line: the last whole one counts.

    Replacing a file makes a busy disk's writers wait for one another; appending does not.
    """

    _file: BinaryIO | None = None

    def _get(self, uri: str) -> bytes:
        whole, _, _ = self._store.get(uri).rpartition(b"\n")
        return whole.rpartition(b"\n")[2]

    def _put(self, uri: str, data: bytes) -> None:
        if self._file is None or self._file.tell() > LONGEST_FILE:
            os.makedirs(self.uri, mode=0o700, exist_ok=True)
            draft = f"{uri}.draft"
            self._file = open(draft, "wb", buffering=0)  # noqa: SIM115 - as long as the run
            self._file.write(data + b"\n")
            os.replace(draft, uri)
        else:
            self._file.write(data + b"\n")


@dataclass(frozen=True)
class Pen:
    """With which the board writes a run's trace.

    Attributes:
        folders: Where to; nowhere, if there are none.
        number: Of the run's lease.
        deaths: Of runs before it.
    """

    folders: tuple[TraceFolder, ...] = ()
    number: int = 0
    deaths: Mapping[str, Deaths] = field(default_factory=dict)

    @property
    def writes(self) -> bool:
        """Whether there is somewhere to write to."""
        return bool(self.folders)

    def note(self, in_hand: Iterable[str] = (), alone: tuple[str, str] | None = None) -> None:
        """Write down what is in hand now, see `Trace`; it is there when this returns."""
        trace = Trace(self.number, list(in_hand), alone, self.deaths)
        for folder in self.folders:
            folder.write(trace)


class Traces:
    """The traces of an output, for one run.

    Args:
        output: Root of the output.
        storage: How its store is reached.
        lease: The run's.
        here: Whether the run's Ray is on this machine alone.
    """

    def __init__(self, output: str, storage: StorageSpec, lease: Lease, *, here: bool) -> None:
        self._number = lease.number
        self._in_output = TraceFolder(join_uri(output, "_tagline", "traces"), storage)
        self._here = FolderHere(_state_folder(output, storage), storage) if here else None
        folders = [self._in_output] if self._here is None else [self._in_output, self._here]
        self._old = [(number, folder) for folder in folders for number in folder.numbers()]
        self._mine: Mapping[str, Deaths] | None = None
        self._is_in_output = False
        last = self._last()
        self.deaths = {} if last is None else last.blamed()
        """Of the runs before, by name."""
        self._one_died = lease.takes_over or (last is not None and not last.closed)

    def _last(self) -> Trace | None:
        """The latest trace; of two of one run that on this machine, which is more exact."""
        # Higher numbers are of an output of this name that is no more.
        found = [(number, folder) for number, folder in self._old if number < self._number]
        if not found:
            return None
        number = max(number for number, _ in found)
        return [folder for of, folder in found if of == number][-1].read(number)

    def begin(self, deaths: Mapping[str, Deaths]) -> Pen:
        """Take the place of what runs before have left.

        Args:
            deaths: Those of `self.deaths` that are of items which this run works on.

        Returns:
            What the board is to write with.
        """
        self._mine = deaths
        if deaths or self._one_died:
            self._write(deaths)
        for number, folder in self._old:
            own = self._is_in_output and folder is self._in_output and number == self._number
            if not own:
                folder.forget(number)
        wanted: list[TraceFolder] = [self._here] if self._here is not None else []
        wanted += [self._in_output] if self._one_died else []
        return Pen(tuple(wanted), self._number, deaths)

    def _write(self, deaths: Mapping[str, Deaths], *, closed: bool = False) -> None:
        self._is_in_output = True
        self._in_output.write(Trace(self._number, deaths=deaths, closed=closed))

    def end(self, *, died: bool, done: bool) -> None:
        """Tell the next run how this one ended. To be called once nothing is in hand any more.

        Args:
            died: Whether Ray died, and this process did not.
            done: Whether nothing is left of what was to be done.
        """
        if self._mine is None:
            return
        if died:
            if not self._is_in_output:
                self._write(self._mine)
            return
        if self._mine and not done:
            self._write(self._mine, closed=True)
        elif self._is_in_output:
            self._in_output.forget(self._number)
        if self._here is not None:
            self._here.forget(self._number)
            with contextlib.suppress(OSError):
                os.rmdir(self._here.uri)


def _state_folder(output: str, storage: StorageSpec) -> str:
    """Where on this machine the traces of an output are."""
    about: Any = [output if "://" in output else os.path.abspath(output), storage.endpoint_url]
    name = hashlib.sha256(json.dumps(about).encode()).hexdigest()[:32]
    given = os.environ.get(STATE_VARIABLE)
    root = Path(given) if given else Path(_state_home()) / "tagline"
    return os.path.abspath(root / "traces" / name)


def _state_home() -> str:
    given = os.environ.get("XDG_STATE_HOME")
    try:
        return given or str(Path.home() / ".local" / "state")
    except RuntimeError:  # A container's user may have no home.
        return tempfile.gettempdir()
