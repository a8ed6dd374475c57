"""What a run would do, and why, before any engine is started."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import duckdb

from operators.sources.base import ListedItem
from operators.sources.registry import open_source
from pipeline.known_prints import changed_parts
from pipeline.listed import quoted
from pipeline.model import owed_tasks, resolve_model
from pipeline.output_format import require_known_format
from pipeline.owed import OwedTask
from pipeline.planning import planning
from pipeline.state_sql import StateSql
from schemas.failure import UsageError
from schemas.job import JobSpec, StorageSpec

CONTENT = "content"
UNKNOWN = "unknown"
"""Why rows changed: their files did; something did that no run has noted."""


@dataclass
class TaskPreview:
    """How the listed items stand with one task.

    Attributes:
        task: Its name in the job.
        new: Without a row.
        changed: With a row that is not current.
        reasons: Of those, by what changed: `CONTENT`, a part of the fingerprint (``model``,
            ``media``, ``task``, ``prompt``, ``options``, ``vocabulary``), or `UNKNOWN`. A row
            may have several.
        current: With a row that stays.
        retried: Failed before, and tried again.
        given_up: Failed before, and not tried again.
        not_taken: Of a kind that the task does not take.
        gone: Rows of items that are not listed any more.
    """

    task: str
    new: int = 0
    changed: int = 0
    reasons: Counter[str] = field(default_factory=Counter)
    current: int = 0
    retried: int = 0
    given_up: int = 0
    not_taken: int = 0
    gone: int = 0


def preview(job: JobSpec) -> list[TaskPreview]:
    """List a job's input and hold it against its output, task by task. Writes nothing.

    Raises:
        UsageError: The job cannot be done as asked.
        InfrastructureError: Storage failed.
    """
    require_known_format(job.output.uri, job.storage)
    tasks = owed_tasks(job, resolve_model(job))
    previews = []
    with planning(_listing(job, tasks), tasks, job.output.uri, job.storage) as database:
        for index, owed in enumerate(tasks):
            found = _states(database, index, owed, job.failures.attempts)
            previews.append(_counted(found, owed, job.output.uri, job.storage))
            gone = f"""SELECT count(*) FROM result_{index} r
                       WHERE NOT EXISTS (FROM listing l WHERE l.item_id = r.item_id)"""
            [(previews[-1].gone,)] = database.execute(gone).fetchall()
    return previews


def explain(job: JobSpec, item_id: str) -> dict[str, str]:
    """Why each task would, or would not, be run for one item.

    Returns:
        By task, in words.

    Raises:
        UsageError: The job cannot be done as asked, or there is no such item.
        InfrastructureError: Storage failed.
    """
    require_known_format(job.output.uri, job.storage)
    tasks = owed_tasks(job, resolve_model(job))
    told = {}
    with planning(_listing(job, tasks), tasks, job.output.uri, job.storage) as database:
        for index, owed in enumerate(tasks):
            where = f"WHERE coalesce(l.item_id, r.item_id) = {quoted(item_id)}"
            found = _states(database, index, owed, job.failures.attempts, where)
            if found:
                told[owed.bound.name] = _in_words(found[0], owed, job)
    if not told:
        raise UsageError(
            f"the job's input has no item {item_id!r}, and its output no row of it"
        )
    return told


def _listing(job: JobSpec, tasks: Sequence[OwedTask]) -> Iterable[ListedItem]:
    columns = {c for o in tasks for c in o.bound.task.context_columns(o.bound.options)}
    return open_source(job.input, job.storage, sorted(columns))


@dataclass(frozen=True)
class _State:
    """Items that stand alike: how, and what sets their row apart from a current one."""

    state: str
    kind: str | None
    other_content: bool
    other_print: str | None
    failure: str | None
    attempts: int | None
    count: int


def _states(
    database: duckdb.DuckDBPyConnection,
    index: int,
    owed: OwedTask,
    attempts: int,
    where: str = "WHERE l.item_id IS NOT NULL",
) -> list[_State]:
    sql = StateSql.of(owed, "r", "f", attempts, None)
    rows = database.execute(
        f"""SELECT CASE
              WHEN l.item_id IS NULL THEN 'gone'
              WHEN {sql.fingerprint} IS NULL THEN 'not_taken'
              WHEN {sql.is_current} THEN 'current'
              WHEN {sql.same_failure} AND {sql.given_up} THEN 'given_up'
              WHEN {sql.same_failure} THEN 'retried'
              WHEN r.item_id IS NULL THEN 'new'
              ELSE 'changed' END AS state,
            l.kind,
            coalesce(r.item_version <> l.item_version, false) AS other_content,
            CASE WHEN r.fingerprint <> {sql.fingerprint} THEN r.fingerprint END AS other_print,
            CASE WHEN {sql.same_failure} THEN f.code END AS failure,
            CASE WHEN {sql.same_failure} THEN f.attempts END AS attempts,
            count(*)
          FROM listing l
            FULL JOIN result_{index} r ON r.item_id = l.item_id
            LEFT JOIN failure_{index} f ON f.item_id = l.item_id
          {where} GROUP BY ALL ORDER BY ALL"""
    ).fetchall()
    return [_State(*row) for row in rows]


def _counted(
    states: Sequence[_State], owed: OwedTask, output: str, storage: StorageSpec
) -> TaskPreview:
    seen = TaskPreview(owed.bound.name)
    for one in states:
        setattr(seen, one.state, getattr(seen, one.state) + one.count)
        if one.state == "changed":
            for reason in _reasons(one, owed, output, storage):
                seen.reasons[reason] += one.count
    return seen


def _reasons(one: _State, owed: OwedTask, output: str, storage: StorageSpec) -> list[str]:
    reasons = [CONTENT] if one.other_content else []
    if one.other_print is not None:
        now = owed.parts.get(one.kind or "", {})
        parts = changed_parts(output, storage, one.other_print, now)
        reasons += [UNKNOWN] if parts is None else parts
    return reasons


def _in_words(one: _State, owed: OwedTask, job: JobSpec) -> str:
    match one.state:
        case "gone":
            return {
                "keep": "not listed any more; its row stays",
                "mark": "not listed any more; its row stays and says so in gone_at",
                "delete": "not listed any more; its row is deleted by the next run",
            }[job.output.gone]
        case "not_taken":
            return f"the task does not take items of kind {one.kind}"
        case "current":
            return "current: nothing to do"
        case "given_up":
            tried = "once" if one.attempts == 1 else f"{one.attempts} times"
            return (
                f"given up: it failed {tried} with {one.failure}; "
                f"--retry failed:{one.failure} tries it again"
            )
        case "retried":
            return f"to be tried again: it failed with {one.failure} (attempt {one.attempts})"
        case "new":
            return "to be done: there is no row"
    reasons = _reasons(one, owed, job.output.uri, job.storage)
    return f"to be done anew: {', '.join(reasons)} changed"
