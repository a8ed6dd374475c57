"""Run a job from listing to last commit."""

from __future__ import annotations

import logging
import uuid
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

from operators.base import EngineSpec
from operators.sources.base import ListedItem, Source
from operators.sources.registry import open_source
from pipeline.annotation import annotate
from pipeline.commit import ResultSink, RowOrigin
from pipeline.delta import refuse_unsafe_environment
from pipeline.fencing import shut_out
from pipeline.known_prints import note_fingerprints
from pipeline.lease import Lease, held_lease
from pipeline.model import ResolvedModel, owed_tasks, owed_windows, resolve_model
from pipeline.output_format import note_format, require_known_format
from pipeline.owed import OwedTask
from pipeline.plan import Plan, PlanCounts, make_plan, remove_plan
from pipeline.progress import Progress
from pipeline.report import Observer, Outcome, RunReport, StopSignal
from pipeline.runs import append_run, runs_table
from pipeline.state_sql import Retry
from pipeline.traces import Traces
from pipeline.under_way import UnderWay
from schemas.failure import TaglineError
from schemas.job import JobSpec

logger = logging.getLogger(__name__)


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
    run = UnderWay(job, observer, stop, engine, retry, _new_run_id(), log_path, began)
    model = resolve_model(job)
    # Before anything else is read there, which a later version may write otherwise.
    require_known_format(job.output.uri, job.storage)
    with held_lease(job.output.uri, job.storage, run.run_id) as lease:
        return _run_under(lease, run, model)


def _run_under(lease: Lease, run: UnderWay, model: ResolvedModel) -> RunReport:
    job, observer = run.job, run.observer
    run.tasks = tasks = owed_tasks(job, model)
    windows = owed_windows(job, model, tasks)
    sink = ResultSink(
        job.output,
        job.storage,
        [owed.bound for owed in (*tasks, *([windows] if windows else []))],
        RowOrigin(run.run_id, model.name, job.model.revision),
        lease,
    )
    shut_out(job.output.uri, job.storage, run.run_id, lease)
    sink.open()
    # The last table to be written is looked at first, too: a night's work ends there.
    runs = runs_table(job, run.run_id, lease)
    runs.ensure()
    note_format(job.output.uri, job.storage)
    columns = {c for o in tasks for c in o.bound.task.context_columns(o.bound.options)}
    listing = open_source(job.input, job.storage, sorted(columns))
    progress = Progress(observer, sink.counts, run.items)
    note_fingerprints(job.output.uri, job.storage, tasks)
    progress.phase("listing")
    here = job.resources.ray_address is None
    traces = Traces(job.output.uri, job.storage, lease, here=here)
    plan = _planned(run, tasks, windows, progress.listing(listing), traces)
    outcome: Outcome | None = None
    try:
        outcome = annotate(run, model, plan, sink, progress, traces)
    finally:
        traces.end(died=run.died, done=outcome in ("done", "nothing_to_do"))
        _tidy(plan, job)
    report = _report(run, outcome, listing, plan, sink)
    append_run(runs, run.job, run.started_at, plan.counts, sink.counts, report)
    return report


def _tidy(plan: Plan, job: JobSpec) -> None:
    """Remove the plan's parts. They are of no use any more, and no harm if they stay."""
    try:
        remove_plan(plan, job.storage)
    except TaglineError as error:
        logger.warning("the plan of this run stays behind: %s", error)


class _Stopped(Exception):
    """A stop was asked while the input was listed."""


def _planned(
    run: UnderWay,
    tasks: Sequence[OwedTask],
    windows: OwedTask | None,
    items: Iterator[ListedItem],
    traces: Traces,
) -> Plan:
    """The plan; an empty one if a stop is asked while the input is listed.

    A part of a listing is not even judged: it says nothing of what is gone, or there twice.
    """
    job = run.job
    try:
        return make_plan(
            _until_stopped(items, run.stop),
            tasks,
            job.output.uri,
            job.storage,
            run_id=run.run_id,
            attempts=job.failures.attempts,
            windows=windows,
            retry=run.retry,
            gone=job.output.gone,
            duplicates=job.duplicates,
            deaths=traces.deaths,
        )
    except _Stopped:
        return Plan(PlanCounts())


def _until_stopped(items: Iterator[ListedItem], stop: StopSignal) -> Iterator[ListedItem]:
    for item in items:
        if stop.requested:
            raise _Stopped
        yield item
    if stop.requested:
        raise _Stopped


def _new_run_id() -> str:
    return f"{datetime.now(UTC):%Y%m%dT%H%M%S}-{uuid.uuid4().hex[:8]}"


def _report(
    run: UnderWay, outcome: Outcome, listing: Source, plan: Plan, sink: ResultSink
) -> RunReport:
    counts, items = plan.counts, run.items
    return RunReport(
        run_id=run.run_id,
        outcome=outcome,
        items_listed=counts.listed,
        items_skipped_names=listing.skipped.not_media,
        items_current=counts.current,
        items_given_up=counts.gave_up,
        items_without_task=counts.without_task,
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
