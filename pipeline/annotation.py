"""From a plan to committed rows: the cluster, the graph, and what comes out of it."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from ray.exceptions import RayError

from operators.annotate import AnnotateOperator
from operators.decode import DecodeOperator
from pipeline.board import start_board
from pipeline.budget import over_budget
from pipeline.cluster import connect, disconnect
from pipeline.commit import ResultSink
from pipeline.copies import Copies
from pipeline.draining import Draining
from pipeline.elders import read_elders
from pipeline.gone import settle_gone
from pipeline.graph import Layout, annotated_tables, configure_ray_data, lay_out, shortage
from pipeline.interruption import Interruption
from pipeline.model import ResolvedModel, engine_spec
from pipeline.plan import Plan
from pipeline.polling import Polled
from pipeline.progress import Progress
from pipeline.report import Outcome
from pipeline.traces import Pen, Traces
from pipeline.under_way import UnderWay
from schemas.failure import ClusterError, EngineError, TaglineError, UsageError
from schemas.media import MediaKind
from schemas.tables import FAILURES_TABLE

logger = logging.getLogger(__name__)


def annotate(
    run: UnderWay,
    model: ResolvedModel,
    plan: Plan,
    sink: ResultSink,
    progress: Progress,
    traces: Traces,
) -> Outcome:
    """Do what a plan says, and commit what comes of it.

    Args:
        run: Gets its counts.
        model: With which.
        plan: What to do.
        sink: Takes the rows.
        progress: Told what happens.
        traces: Begun as soon as something is done.

    Raises:
        UsageError: This machine has not what the job needs.
        InfrastructureError: Storage, Ray or the engine failed; what came before is committed.
    """
    if plan.resolved is not None and plan.resolved.num_rows:
        sink.failures.remove(plan.resolved)
    if run.stop.requested:
        return "interrupted"
    # Not before: a listing that was cut short knows nothing of what is gone.
    policy, tables = run.job.output.gone, {**sink.results, FAILURES_TABLE: sink.failures}
    run.rows_gone = settle_gone(plan.gone, tables, policy)
    if plan.damaged_shards and policy != "keep":
        run.observer.note(
            f"output.gone: {policy} waits until all of the input can be listed: "
            f"{len(plan.damaged_shards)} damaged, such as {plan.damaged_shards[0]}."
        )
    pen = traces.begin(plan.deaths)
    if not plan.counts.planned:
        return "nothing_to_do"
    if plan.suspects:
        run.observer.note("Some items may have ended runs before; they come last, one by one.")
    progress.planned(plan.counts.planned)
    progress.phase("starting")
    cluster = connect(run.job.resources)
    try:
        layout = lay_out(run.job.resources, cluster, plan.counts.planned)
        missing = shortage(layout, cluster)
        if missing is not None:
            _say_what_is_missing(run, missing)
        return _drain(run, model, plan, sink, progress, layout, pen)
    finally:
        disconnect(cluster)


def _say_what_is_missing(run: UnderWay, missing: str) -> None:
    """A cluster may be growing, and is waited for; this machine will not grow."""
    if run.job.resources.ray_address is None:
        raise UsageError(missing)
    run.observer.note(f"Waiting: {missing}.")


def _drain(
    run: UnderWay,
    model: ResolvedModel,
    plan: Plan,
    sink: ResultSink,
    progress: Progress,
    layout: Layout,
    pen: Pen,
) -> Outcome:
    """Run the graph and commit what it gives."""
    configure_ray_data()
    board = start_board(run.job.duplicates.near, pen)
    progress.watch(board)
    decode, annotate = _operators(run, model, layout)
    interruption = Interruption()
    graph = annotated_tables(
        plan, run.job.storage, decode, annotate, layout, board, run.job.failures.attempts
    )
    try:
        with Copies() as copies:
            for elders in read_elders(plan.elders, run.job.storage):
                copies.know(elders)
            with Polled(graph, interruption.ask) as tables:
                outcome = _collect(run, tables, sink, progress, board, copies)
    except RayError as error:
        sink.flush()
        raise _as_tagline_error(run, error, progress) from error
    except ClusterError:
        run.died = True
        sink.flush()
        raise
    progress.phase("committing")
    sink.flush()
    _check_all_came(run, plan, outcome)
    run.engine_start_s, run.annotate_s = progress.engine_start_s, progress.annotate_s
    progress.phase("done")
    return outcome


def _operators(
    run: UnderWay, model: ResolvedModel, layout: Layout
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
    run: UnderWay,
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
            board.drain.remote()
            return "over_budget"
    if draining is not None:
        return "interrupted"
    return "over_budget" if over_budget(run.job.failures, run.items, finished=True) else "done"


def _take(table: pa.Table | None, run: UnderWay, sink: ResultSink, board: Any) -> None:
    if table is None:
        sink.flush_if_due()
        return
    run.items.add(table)
    sink.add(table)
    videos = table.filter(pc.equal(table.column("kind"), str(MediaKind.VIDEO)))
    if videos.num_rows:
        board.forget.remote(videos.column("item_id").unique().to_pylist())


def _check_all_came(run: UnderWay, plan: Plan, outcome: Outcome) -> None:
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


def _as_tagline_error(run: UnderWay, error: RayError, progress: Progress) -> TaglineError:
    """Say what broke in our words; Ray's own text is in the log."""
    logger.error("the graph failed", exc_info=error)
    fatal = progress.fatal()
    if fatal is not None:
        return EngineError(fatal)
    cause = getattr(error, "cause", None)
    if isinstance(cause, TaglineError):
        return ClusterError(f"a worker cannot go on: {cause}")
    run.died = True
    first_line = str(error).strip().splitlines()[0]
    return ClusterError(f"Ray lost the job: {first_line}; the log has the rest")
