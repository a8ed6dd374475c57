"""What one run carries from step to step."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from operators.base import EngineSpec
from pipeline.budget import ItemCounts
from pipeline.owed import OwedTask
from pipeline.report import Observer, StopSignal
from pipeline.state_sql import Retry
from schemas.job import JobSpec


@dataclass
class UnderWay:
    """A run at work.

    Attributes:
        job: What to do.
        observer: Told what happens.
        stop: Asked between steps whether to stop.
        engine: Replaces the engine that the job's model would get.
        retry: Which failures to try that would not be tried by themselves.
        run_id: Marks its rows.
        log_path: Named in the report.
        started_at: When it began.
        tasks: What its items are owed.
        items: Those that came out of the graph.
        engine_start_s: How long the engines took to load.
        annotate_s: Seconds since the first of them was ready.
        rows_gone: Rows marked or deleted, since their item is not listed any more.
        died: Whether Ray died under it, perhaps of an item.
    """

    job: JobSpec
    observer: Observer
    stop: StopSignal
    engine: EngineSpec | None
    retry: Retry | None
    run_id: str
    log_path: str
    started_at: datetime
    tasks: list[OwedTask] = field(default_factory=list)
    items: ItemCounts = field(default_factory=ItemCounts)
    engine_start_s: float = 0.0
    annotate_s: float = 0.0
    rows_gone: int = 0
    died: bool = False
