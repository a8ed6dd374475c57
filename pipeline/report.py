"""What a run tells while it works and when it ends."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import Literal, Protocol

Phase = Literal["listing", "planning", "starting", "annotating", "committing", "done"]
Outcome = Literal["done", "nothing_to_do", "over_budget", "interrupted"]


@dataclass(frozen=True)
class StageStatus:
    """How one stage of the graph stands.

    Attributes:
        name: The stage.
        done: Items, or rows, that it has finished.
        total: How many there will be; None if that is not known.
        busy: What it is doing, in a few words.
    """

    name: str
    done: int
    total: int | None
    busy: str


@dataclass(frozen=True)
class Snapshot:
    """How a run stands at one moment.

    Attributes:
        phase: What the run is doing as a whole.
        items_done: Items that are through, failed ones included.
        items_total: Items that this run works on; None while they are being counted.
        items_failed: Of `items_done`, those with a failure.
        items_per_s: Rate since the first engine was ready.
        eta_s: Seconds left at that rate; None while there is none.
        stages: One status a stage, in the order of the graph.
        elapsed_s: Seconds since the run began.
    """

    phase: Phase
    items_done: int
    items_total: int | None
    items_failed: int
    items_per_s: float
    eta_s: float | None
    stages: tuple[StageStatus, ...]
    elapsed_s: float


class Observer(Protocol):
    """Who is told how a run goes."""

    def note(self, message: str) -> None:
        """Take a message for the user."""

    def update(self, snapshot: Snapshot) -> None:
        """Take the latest state; called about once a second."""


@dataclass(frozen=True)
class RunReport:
    """What a run did.

    Attributes:
        run_id: Marks its rows.
        outcome: How it ended.
        items_listed: Images and videos found.
        items_skipped_names: Files passed over because of their names.
        items_current: Items that the output held already.
        items_given_up: Items that failed before, and are not tried again.
        items_without_task: Items of a kind that no task of the job takes.
        items_planned: Items that the run set out to annotate.
        items_done: Items annotated in full.
        items_failed: Items with at least one failure row.
        rows_gone: Rows marked or deleted, since their item is not listed any more.
        rows_by_table: Result rows committed.
        failures_by_code: Failure rows committed.
        engine_start_s: How long loading the model took, in seconds.
        annotate_s: Seconds from the first ready engine to the last commit.
        items_per_s: Items through in that time, failed ones included.
        output: Root of the output.
        tables: URI of each table by name.
        log_path: Where Ray's and the engine's own words went.
    """

    run_id: str
    outcome: Outcome
    items_listed: int
    items_skipped_names: int
    items_current: int
    items_given_up: int
    items_without_task: int
    items_planned: int
    items_done: int
    items_failed: int
    rows_gone: int
    rows_by_table: dict[str, int]
    failures_by_code: dict[str, int]
    engine_start_s: float
    annotate_s: float
    items_per_s: float
    output: str
    tables: dict[str, str]
    log_path: str


class StopSignal:
    """A request to stop, made by a signal handler and read by the run. Thread-safe."""

    def __init__(self) -> None:
        self._event = threading.Event()
        self._signum: int | None = None

    def request(self, signum: int) -> None:
        """Ask the run to stop; the first signal's number stays."""
        if not self._event.is_set():
            self._signum = signum
            self._event.set()

    @property
    def requested(self) -> bool:
        """Whether somebody asked."""
        return self._event.is_set()

    @property
    def signum(self) -> int | None:
        """The signal that asked, or None."""
        return self._signum
