"""Find out what a run owes: what is listed, less what the output already holds.

The listing is streamed into Parquet, joined with the output's tables by DuckDB (which
spills to disk), and the items that are owed something are written as Parquet parts
beside the output, from where every worker can read them.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from operators.sources.base import ListedItem
from operators.storage import open_store
from pipeline.elders import Elders, write_elders
from pipeline.gone import Gone, damaged_shards, find_gone
from pipeline.journal import Deaths
from pipeline.listed import quoted
from pipeline.owed import OwedTask
from pipeline.planning import load_state, planning
from pipeline.state_sql import Retry, StateSql
from pipeline.suspects import apart_sql, load_deaths
from pipeline.twins import content_key_sql, with_elders_sql, with_twins_sql
from pipeline.windows import load_windows, with_windows_sql
from schemas.item_tables import PLAN_SCHEMA
from schemas.job import DuplicateSpec, GonePolicy, StorageSpec
from schemas.uris import join_uri

ROWS_PER_PART = 4096
NONE_SOUGHT = DuplicateSpec(exact="annotate")
PLANS_FOLDER = ("_tagline", "plans")
"""Below an output; a run that ends leaves nothing in it."""


@dataclass
class PlanCounts:
    """How the listed items divide.

    ``listed`` is the sum of ``planned``, ``current``, ``gave_up`` and ``without_task``.

    Attributes:
        listed: Items found.
        current: All tasks done for this version of the item.
        gave_up: Not done, but every task still missing failed for good before.
        without_task: No task of the job takes this kind of item.
        planned: Items that this run works on.
    """

    listed: int = 0
    current: int = 0
    gave_up: int = 0
    without_task: int = 0
    planned: int = 0


@dataclass
class Plan:
    """What a run will do.

    Attributes:
        counts: How many items there are of each sort.
        parts: URIs of the Parquet parts, each of `PLAN_SCHEMA`.
        suspects: Those of the items that are to be tried alone after all others.
        elders: URIs of Parquet parts of `ANNOTATED_SCHEMA`: answers of earlier runs that items
            may take.
        deaths: What is known of its items that runs died of, by name.
        resolved: Keys of failure rows whose item has its result by now.
        gone: What is to be done about rows of items that are not listed any more.
        damaged_shards: What of the input could be listed in part only.
    """

    counts: PlanCounts
    parts: list[str] = field(default_factory=list)
    suspects: list[str] = field(default_factory=list)
    elders: list[str] = field(default_factory=list)
    deaths: dict[str, Deaths] = field(default_factory=dict)
    resolved: pa.Table | None = None
    gone: list[Gone] = field(default_factory=list)
    damaged_shards: list[str] = field(default_factory=list)


def make_plan(
    listing: Iterable[ListedItem],
    tasks: Sequence[OwedTask],
    output: str,
    storage: StorageSpec,
    *,
    run_id: str,
    attempts: int,
    windows: OwedTask | None = None,
    retry: Retry | None = None,
    gone: GonePolicy = "keep",
    duplicates: DuplicateSpec = NONE_SOUGHT,
    deaths: Mapping[str, Deaths] | None = None,
) -> Plan:
    """List, join and write the plan.

    Args:
        listing: The items, streamed.
        tasks: What each item is owed.
        output: Root of the output.
        storage: How stores are reached.
        run_id: Names the plan's folder.
        attempts: Runs that may try an item whose failure may pass.
        windows: Describes the windows of long videos, if a task goes by them.
        retry: Which failures to try once more that would not be tried by themselves.
        gone: What becomes of rows whose item is not listed any more.
        duplicates: Which items to mark that may show the same.
        deaths: Of runs before this one, by name of an item that was in hand.

    Returns:
        The plan; its parts are at ``<output>/_tagline/plans/<run_id>/``.
    """
    with planning(listing, tasks, output, storage) as database:
        load_windows(database, windows, output, storage)
        database.execute(_join_sql(tasks, attempts, retry, duplicates))
        plan = Plan(_counts(database))
        folder = plan_folder(output, run_id)
        database.execute(f"CREATE TEMP VIEW planned AS {_PLANNED}")
        planned = with_windows_sql(windows, tasks)
        elders = Elders(database, tasks, output, storage)
        if duplicates.exact == "copy":
            elders.find(planned)
            plan.elders.extend(write_elders(elders, folder, storage))
        planned = with_elders_sql(planned, elders.by_task)
        planned = with_twins_sql(database, planned, duplicates)
        if deaths:
            plan.deaths = load_deaths(database, deaths)
            planned, apart = apart_sql(planned)
            plan.suspects.extend(_write_parts(database, apart, folder, storage, "suspects"))
        plan.parts.extend(_write_parts(database, planned, folder, storage, "part"))
        plan.resolved = database.sql(_resolved_sql(tasks)).to_arrow_table()
        rows_of = list(tasks)
        if windows is not None:
            load_state(database, len(rows_of), windows, output, storage)
            rows_of.append(windows)
        plan.damaged_shards = damaged_shards(database)
        plan.gone = find_gone(database, rows_of, gone, whole=not plan.damaged_shards)
    return plan


def plan_folder(output: str, run_id: str) -> str:
    """Where the parts of a run's plan are."""
    return join_uri(output, *PLANS_FOLDER, run_id)


def remove_plan(plan: Plan, storage: StorageSpec) -> None:
    """Delete the plan's parts; the output keeps no trace of them."""
    for part in (*plan.parts, *plan.suspects, *plan.elders):
        open_store(part, storage).delete(part)


def _join_sql(
    tasks: Sequence[OwedTask], attempts: int, retry: Retry | None, duplicates: DuplicateSpec
) -> str:
    """One row an item: what it is owed, and how the rest of its tasks stands."""
    selects, joins = [], []
    for index, owed in enumerate(tasks):
        r, f = f"r{index}", f"f{index}"
        sql = StateSql.of(owed, r, f, attempts, retry)
        selects.append(
            f"""CASE
              WHEN {sql.fingerprint} IS NULL THEN {{'state': 'other', 'task': NULL}}
              WHEN {sql.is_current} THEN {{'state': 'current', 'task': NULL}}
              WHEN {sql.same_failure} AND {sql.given_up}
                THEN {{'state': 'gave_up', 'task': NULL}}
              ELSE {{'state': 'owed', 'task': {{
                'name': {quoted(owed.bound.name)},
                'fingerprint': {sql.fingerprint},
                'replaces': {r}.item_id IS NOT NULL,
                'attempt': CASE WHEN {sql.same_failure} THEN {f}.attempts + 1 ELSE 1 END,
                'failed_before': {f}.item_id IS NOT NULL}}}}
            END"""
        )
        joins.append(f"LEFT JOIN result_{index} {r} ON {r}.item_id = l.item_id")
        joins.append(f"LEFT JOIN failure_{index} {f} ON {f}.item_id = l.item_id")
    return f"""CREATE TABLE joined AS
      SELECT l.*, {content_key_sql(duplicates)} AS content_key, [{", ".join(selects)}] AS states
      FROM listing l {" ".join(joins)}"""


_PLANNED = """SELECT * FROM (
      SELECT * EXCLUDE (states), list_transform(
        list_filter(states, lambda s: s.state = 'owed'), lambda s: s.task) AS tasks
      FROM joined)
    WHERE len(tasks) > 0"""


def _counts(database: duckdb.DuckDBPyConnection) -> PlanCounts:
    [row] = database.execute(
        """SELECT count(*),
             count(*) FILTER (list_contains(state, 'owed')),
             count(*) FILTER (NOT list_contains(state, 'owed')
                              AND list_contains(state, 'gave_up')),
             count(*) FILTER (NOT list_contains(state, 'owed')
                              AND NOT list_contains(state, 'gave_up')
                              AND list_contains(state, 'current'))
           FROM (SELECT list_transform(states, lambda s: s.state) AS state FROM joined)"""
    ).fetchall()
    listed, planned, gave_up, current = row
    return PlanCounts(listed, current, gave_up, listed - planned - gave_up - current, planned)


def _write_parts(
    database: duckdb.DuckDBPyConnection,
    whole: str,
    folder: str,
    storage: StorageSpec,
    stem: str,
) -> Iterator[str]:
    reader = database.sql(
        f"SELECT {', '.join(PLAN_SCHEMA.names)} FROM ({whole})"
    ).to_arrow_reader(ROWS_PER_PART)
    for number, batch in enumerate(reader):
        uri = join_uri(folder, f"{stem}-{number:06d}.parquet")
        buffer = io.BytesIO()
        pq.write_table(_as_plan(pa.Table.from_batches([batch])), buffer, compression="zstd")
        open_store(uri, storage).put(uri, buffer.getvalue())
        yield uri


def _as_plan(table: pa.Table) -> pa.Table:
    """DuckDB drops nullability; rebuild the rows under the plan's own schema."""
    return pa.Table.from_pylist(table.to_pylist(), schema=PLAN_SCHEMA)


def _resolved_sql(tasks: Sequence[OwedTask]) -> str:
    """Failure rows that a result stands beside.

    A crash between the two commits of a result leaves them, and so does a prompt that failed
    and was taken back. Beside a current result a failure of whatever version is of the past.
    """
    return " UNION ALL ".join(
        f"""SELECT f.item_id, {quoted(owed.bound.name)} AS task
            FROM failure_{index} f JOIN result_{index} r USING (item_id)
              LEFT JOIN joined j USING (item_id)
            WHERE r.item_version = f.item_version AND r.fingerprint = f.fingerprint
              OR j.states[{index + 1}].state = 'current'"""
        for index, owed in enumerate(tasks)
    )
