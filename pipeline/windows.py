"""The windows of long videos that the output holds, in a run's plan."""

from __future__ import annotations

from collections.abc import Sequence

import duckdb
import pyarrow as pa

from pipeline.delta import open_table, query
from pipeline.listed import quoted
from pipeline.owed import OwedTask
from schemas.job import StorageSpec
from schemas.media import MediaKind
from schemas.uris import join_uri

VIDEO = str(MediaKind.VIDEO)

_NONE = pa.table(
    {
        name: pa.array([], pa.string())
        for name in ("item_id", "item_version", "fingerprint", "known")
    }
)


def load_windows(
    database: duckdb.DuckDBPyConnection,
    owed: OwedTask | None,
    output: str,
    storage: StorageSpec,
) -> None:
    """Register what the output holds of videos' windows as ``known_windows``.

    Args:
        database: Where.
        owed: What makes the rows current; None if no task of the job goes by windows.
        output: Root of the output.
        storage: How it is reached.
    """
    existing = owed and open_table(join_uri(output, owed.bound.table), storage)
    if not existing:
        database.register("known_windows", _NONE)
        return
    key = "item_id, item_version, fingerprint"
    known = ("windows", "duration_s", "source_width", "source_height")
    rows = query(existing, f"SELECT {key}, {', '.join(known)} FROM rows")
    database.register("scan", rows)
    fields = ", ".join(f"'{name}': {name}" for name in known)
    database.execute(
        f"""CREATE TABLE known_windows AS
            SELECT {key}, CAST(to_json({{{fields}}}) AS VARCHAR) AS known FROM scan"""
    )
    database.unregister("scan")


def with_windows_sql(owed: OwedTask | None, tasks: Sequence[OwedTask]) -> str:
    """The planned items of ``planned`` with what is known or owed of their windows.

    An item that is owed a task which goes by windows either brings along the windows that
    the output holds, or is owed the task that describes them.
    """
    if owed is None:
        return "SELECT *, NULL::VARCHAR AS windows FROM planned"
    names = ", ".join(quoted(one.bound.name) for one in tasks if one.bound.goes_by_windows)
    fingerprint = quoted(owed.fingerprints[VIDEO])
    wants = (
        f"(p.kind = '{VIDEO}' AND "
        f"len(list_filter(p.tasks, lambda t: list_contains([{names}], t.name))) > 0)"
    )
    current = (
        f"coalesce(w.item_version = p.item_version AND w.fingerprint = {fingerprint}, false)"
    )
    # What is not decoded again cannot show that it is the same as another.
    return f"""SELECT p.* EXCLUDE (tasks, content_key),
        CASE WHEN {wants} AND {current} THEN w.known END AS windows,
        CASE WHEN NOT ({wants} AND {current}) THEN p.content_key END AS content_key,
        CASE WHEN {wants} AND NOT {current} THEN list_append(p.tasks, {{
          'name': {quoted(owed.bound.name)},
          'fingerprint': {fingerprint},
          'replaces': w.item_id IS NOT NULL,
          'attempt': 1,
          'failed_before': false}}) ELSE p.tasks END AS tasks
      FROM planned p LEFT JOIN known_windows w ON w.item_id = p.item_id"""
