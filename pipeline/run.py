"""Run a job from listing to last commit."""

from __future__ import annotations

import logging
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from ray.exceptions import RayError

from operators.annotate import AnnotateOperator
from operators.base import EngineSpec
from operators.decode import DecodeOperator
from operators.sources.base import ListedItem, Source
from operators.sources.registry import open_source
from pipeline.board import start_board
from pipeline.budget import ItemCounts, over_budget
from pipeline.cluster import connect, disconnect
from pipeline.commit import ResultSink, RowOrigin
from pipeline.copies import Copies
from pipeline.delta import refuse_unsafe_environment
from pipeline.draining import Draining
from pipeline.gone import settle_gone
from pipeline.graph import (
    Layout,
    annotated_tables,
    configure_ray_data,
    lay_out,
    shortage,
)
from pipeline.interruption import Interruption
from pipeline.known_prints import note_fingerprints
from pipeline.lease import Lease, held_lease
from pipeline.model import (
    ResolvedModel,
    engine_spec,
    owed_tasks,
    owed_windows,
    resolve_model,
)
from pipeline.output_format import note_format, require_known_format
from pipeline.owed import OwedTask
from pipeline.plan import Plan, make_plan, remove_plan
from pipeline.polling import Polled
from pipeline.progress import Progress
from pipeline.report import Observer, Outcome, RunReport, StopSignal
from pipeline.runs import append_run
from pipeline.state_sql import Retry
from schemas.failure import ClusterError, EngineError, TaglineError, UsageError
from schemas.job import JobSpec
from schemas.media import MediaKind
from schemas.tables import FAILURES_TABLE

logger = logging.getLogger(__name__)


@dataclass
class _Run:
    """What one run carries from step to step."""

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


def run_job(
    job: JobSpec,
    observer: Observer,
    stop: StopSignal,
    *,
    engine: EngineSpec | None = None,
    log_path: str = "",
    retry: Retry | None = None,
) -> RunReport:
    """Annotate what the job's output does not hold yet.

    Args:
        job: What to do.
        observer: Told what happens.
        stop: Asked between steps whether to stop; what is done by then is committed.
        engine: Replaces the engine that the job's model would get, for tests of the graph.
        log_path: Named in the report.
        retry: Which failures to try that would not be tried by themselves.

    Returns:
        What was done. The caller turns the outcome into an exit code.

    Raises:
        UsageError: The job cannot be done as asked.
        OutputInUseError: Another run writes to the output, or has taken it over.
        InfrastructureError: Storage, Ray or the engine failed; what was committed stays.
    """
    refuse_unsafe_environment()
    began = datetime.now(UTC)
    run = _Run(job, observer, stop, engine, retry, _new_run_id(), log_path, began)
    model = resolve_model(job)
    with held_lease(job.output.uri, job.storage, run.run_id) as lease:
        return _run_under(lease, run, model)


def _run_under(lease: Lease, run: _Run, model: ResolvedModel) -> RunReport:
    job, observer, stop = run.job, run.observer, run.stop
    run.tasks = tasks = owed_tasks(job, model)
    windows = owed_windows(job, model, tasks)
    sink = ResultSink(
        job.output,
        job.storage,
        [owed.bound for owed in (*tasks, *([windows] if windows else []))],
        RowOrigin(run.run_id, model.name, job.model.revision),
        lease,
    )
    require_known_format(job.output.uri, job.storage)
    sink.open()
    note_format(job.output.uri, job.storage)
    columns = {c for o in tasks for c in o.bound.task.context_columns(o.bound.options)}
    listing = open_source(job.input, job.storage, sorted(columns))
    progress = Progress(observer, sink.counts, run.items)
    note_fingerprints(job.output.uri, job.storage, tasks)
    progress.phase("listing")
    plan = make_plan(
        _until_stopped(progress.listing(listing), stop),
        tasks,
        job.output.uri,
        job.storage,
        run_id=run.run_id,
        attempts=job.failures.attempts,
        windows=windows,
        retry=run.retry,
        gone=job.output.gone,
        duplicates=job.duplicates,
    )
    try:
        outcome = _annotate(run, model, plan, sink, progress)
    finally:
        _tidy(plan, job)
    report = _report(run, outcome, listing, plan, sink)
    append_run(run.job, run.started_at, plan.counts, sink.counts, report, lease)
    return report


def _tidy(plan: Plan, job: JobSpec) -> None:
    """Remove the plan's parts. They are of no use any more, and no harm if they stay."""
    try:
        remove_plan(plan, job.storage)
    except TaglineError as error:
        logger.warning("the plan of this run stays behind: %s", error)


def _until_stopped(items: Iterator[ListedItem], stop: StopSignal) -> Iterator[ListedItem]:
    """End the listing early once a stop is asked; such a plan is never worked on."""
    for item in items:
        if stop.requested:
            return
        yield item


def _new_run_id() -> str:
    return f"{datetime.now(UTC):%Y%m%dT%H%M%S}-{uuid.uuid4().hex[:8]}"


def _annotate(
    run: _Run, model: ResolvedModel, plan: Plan, sink: ResultSink, progress: Progress
) -> Outcome:
    if plan.resolved is not None and plan.resolved.num_rows:
        sink.failures.remove(plan.resolved)
    if run.stop.requested:
        return "interrupted"
    # Not before: a listing that was cut short knows nothing of what is gone.
    policy, tables = run.job.output.gone, {**sink.results, FAILURES_TABLE: sink.failures}
    run.rows_gone = settle_gone(plan.gone, tables, policy)
    if not plan.parts:
        return "nothing_to_do"
    progress.planned(plan.counts.planned)
    progress.phase("starting")
    cluster = connect(run.job.resources)
    try:
        layout = lay_out(run.job.resources, cluster, plan.counts.planned)
        missing = shortage(layout, cluster)
        if missing is not None:
            _say_what_is_missing(run, missing)
        return _drain(run, model, plan, sink, progress, layout)
    finally:
        disconnect(cluster)


def _say_what_is_missing(run: _Run, missing: str) -> None:
    """A cluster may be growing, and is waited for; this machine will not grow."""
    if run.job.resources.ray_address is None:
        raise UsageError(missing)
    run.observer.note(f"Waiting: {missing}.")


def _drain(
    run: _Run,
    model: ResolvedModel,
    plan: Plan,
    sink: ResultSink,
    progress: Progress,
    layout: Layout,
) -> Outcome:
    """Run the graph and commit what it gives."""
    configure_ray_data()
    board = start_board(run.job.duplicates.near)
    progress.watch(board)
    decode, annotate = _operators(run, model, layout)
    interruption = Interruption()
    graph = annotated_tables(
        plan, run.job.storage, decode, annotate, layout, board, run.job.failures.attempts
    )
    try:
        with Polled(graph, interruption.ask) as tables, Copies() as copies:
            outcome = _collect(run, tables, sink, progress, board, copies)
            _check_all_came(run, plan, outcome)
    except RayError as error:
        sink.flush()
        raise _as_tagline_error(error, progress) from error
    except ClusterError:
        sink.flush()
        raise
    progress.phase("committing")
    sink.flush()
    run.engine_start_s, run.annotate_s = progress.engine_start_s, progress.annotate_s
    progress.phase("done")
    return outcome


def _operators(
    run: _Run, model: ResolvedModel, layout: Layout
) -> tuple[DecodeOperator, AnnotateOperator]:
    job, bound = run.job, [owed.bound for owed in run.tasks]
    gpus = layout.gpus_per_replica
    spec = run.engine or engine_spec(job, gpus=gpus, log_path=run.log_path or None)
    return (
        DecodeOperator(
            job.storage,
            job.media,
            model.max_image_pixels,
            model.max_frame_pixels,
            by_windows=[one.name for one in bound if one.goes_by_windows],
        ),
        AnnotateOperator(spec, model.family.id, model.geometry, bound, seed=job.model.seed),
    )


def _collect(
    run: _Run,
    tables: Iterator[pa.Table | None],
    sink: ResultSink,
    progress: Progress,
    board: Any,
    copies: Copies,
) -> Outcome:
    """Take tables until they end, the budget is spent or a stop is asked and heeded."""
    draining: Draining | None = None
    for table in tables:
        _take(None if table is None else copies.settled(table), run, sink, board)
        progress.tick()
        if run.stop.requested:
            draining = draining or Draining(board, run.job.resources.stop_grace_s)
            if draining.over(came=table is not None):
                return "interrupted"
        if over_budget(run.job.failures, run.items, finished=False):
            return "over_budget"
    if draining is not None:
        return "interrupted"
    return "over_budget" if over_budget(run.job.failures, run.items, finished=True) else "done"


def _take(table: pa.Table | None, run: _Run, sink: ResultSink, board: Any) -> None:
    if table is None:
        sink.flush_if_due()
        return
    run.items.add(table)
    sink.add(table)
    videos = table.filter(pc.equal(table.column("kind"), str(MediaKind.VIDEO)))
    if videos.num_rows:
        board.forget.remote(videos.column("item_id").unique().to_pylist())


def _check_all_came(run: _Run, plan: Plan, outcome: Outcome) -> None:
    """Nothing may be lost in silence, such as the parts of a video with the board's process.

    Raises:
        ClusterError: If planned items did not come out of the graph.
    """
    came = run.items.done + run.items.failed
    if outcome == "done" and came < plan.counts.planned:
        raise ClusterError(
            f"{plan.counts.planned - came} of {plan.counts.planned} items did not come back "
            "from the workers; what came is kept, run the job again for the others"
        )


def _as_tagline_error(error: RayError, progress: Progress) -> TaglineError:
    """Say what broke in our words; Ray's own text is in the log."""
    logger.error("the graph failed", exc_info=error)
    fatal = progress.fatal()
    if fatal is not None:
        return EngineError(fatal)
    cause = getattr(error, "cause", None)
    if isinstance(cause, TaglineError):
        return ClusterError(f"a worker cannot go on: {cause}")
    first_line = str(error).strip().splitlines()[0]
    return ClusterError(f"Ray lost the job: {first_line}; the log has the rest")


def _report(
    run: _Run, outcome: Outcome, listing: Source, plan: Plan, sink: ResultSink
) -> RunReport:
    counts, items = plan.counts, run.items
    return RunReport(
        run_id=run.run_id,
        outcome=outcome,
        items_listed=counts.listed,
        items_skipped_names=listing.skipped.not_media,
        items_current=counts.current,
        items_planned=counts.planned,
        items_done=items.done,
        items_failed=items.failed,
        rows_gone=run.rows_gone,
        rows_by_table=dict(sink.counts.rows),
        failures_by_code=dict(sink.counts.failures),
        engine_start_s=run.engine_start_s,
        annotate_s=run.annotate_s,
        items_per_s=(items.done + items.failed) / run.annotate_s if run.annotate_s else 0.0,
        output=run.job.output.uri,
        tables={name: table.uri for name, table in sink.results.items()}
        | {"failures": sink.failures.uri},
        log_path=run.log_path,
    )
