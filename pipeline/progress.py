"""What the observer is told while a job runs."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from typing import Any

import ray

from operators.sources.base import ListedItem
from pipeline.cluster import require_ray
from pipeline.commit import SinkCounts
from pipeline.report import Observer, Phase, Snapshot, StageStatus
from pipeline.stages import ANNOTATE, DECODE

TICK_S = 1.0
BOARD_TIMEOUT_S = 5.0
LISTING_STEP = 1000


class Progress:
    """Turns counters into snapshots, at most one a second.

    Args:
        observer: Who is told.
        rows: What the sink has taken in.
        items: What came out of the graph; has ``done`` and ``failed``.
    """

    def __init__(self, observer: Observer, rows: SinkCounts, items: Any) -> None:
        self._observer = observer
        self._rows = rows
        self._items = items
        self._phase: Phase = "listing"
        self._total: int | None = None
        self._listed = 0
        self._began = time.monotonic()
        self._annotating_since: float | None = None
        self._last_tick = 0.0
        self._board: Any = None
        self._totals: dict[str, dict[str, float]] = {}

    @property
    def engine_start_s(self) -> float:
        """How long the slowest-starting engine took, on average over replicas."""
        engines = self._totals.get(ANNOTATE, {})
        return engines.get("start_s", 0.0) / max(1.0, engines.get("workers", 1.0))

    @property
    def annotate_s(self) -> float:
        """Seconds since the first engine was ready."""
        if self._annotating_since is None:
            return 0.0
        return time.monotonic() - self._annotating_since

    def listing(self, items: Iterable[ListedItem]) -> Iterator[ListedItem]:
        """Pass the listing on and count it."""
        for item in items:
            self._listed += 1
            if self._listed % LISTING_STEP == 0:
                self.tick()
            yield item

    def planned(self, total: int) -> None:
        """Tell how many items this run works on."""
        self._total = total

    def phase(self, phase: Phase) -> None:
        """Enter a phase and tell the observer at once."""
        self._phase = phase
        self._show()

    def watch(self, board: Any) -> None:
        """Read the stages' counters from this board from now on."""
        self._board = board

    def fatal(self) -> str | None:
        """Why the job failed, in the words of the worker that knew."""
        if self._board is None:
            return None
        try:
            return ray.get(self._board.fatal.remote(), timeout=BOARD_TIMEOUT_S)
        except ray.exceptions.RayError:
            return None

    def tick(self) -> None:
        """Tell the observer how it stands, if a second has passed.

        Raises:
            ClusterError: If Ray died; nothing would ever come of it any more.
        """
        if time.monotonic() - self._last_tick >= TICK_S:
            self._read_board()
            self._show()

    def _read_board(self) -> None:
        if self._board is None:
            return
        require_ray()
        asked = [self._board.totals.remote(), self._board.since_ready.remote()]
        try:
            self._totals, since_ready = ray.get(asked, timeout=BOARD_TIMEOUT_S)
        except ray.exceptions.RayError:
            # Only the view is at stake; a lost board shows the counters it had.
            return
        if since_ready is not None and self._annotating_since is None:
            self._annotating_since = time.monotonic() - since_ready
            self._phase = "annotating"

    def _show(self) -> None:
        self._last_tick = time.monotonic()
        done = self._items.done + self._items.failed
        rate = done / self.annotate_s if done and self.annotate_s else 0.0
        left = None if self._total is None else self._total - done
        self._observer.update(
            Snapshot(
                phase=self._phase,
                items_done=done,
                items_total=self._total,
                items_failed=self._items.failed,
                items_per_s=rate,
                eta_s=left / rate if left is not None and rate else None,
                stages=self._stages(),
                elapsed_s=time.monotonic() - self._began,
            )
        )

    def _stages(self) -> tuple[StageStatus, ...]:
        if self._board is None:
            return (StageStatus("list", self._listed, None, "reading the input"),)
        decode, engines = self._totals.get(DECODE, {}), self._totals.get(ANNOTATE, {})
        megabytes = decode.get("bytes_fetched", 0) / 1e6
        workers = int(decode.get("workers", 0))
        noun = "worker" if workers == 1 else "workers"
        decoding = f"{workers} {noun}, {megabytes:.0f} MB fetched"
        asking = (
            f"{engines.get('in_flight', 0):.0f} items in flight, "
            f"{engines.get('output_tokens', 0):.0f} tokens written"
            if engines
            else "loading the model"
        )
        rows = sum(self._rows.rows.values())
        return (
            StageStatus(DECODE, int(decode.get("items", 0)), self._total, decoding),
            StageStatus(ANNOTATE, int(engines.get("items", 0)), self._total, asking),
            StageStatus("commit", rows, None, "rows"),
        )
