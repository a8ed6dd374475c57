"""Items that may have taken whole runs with them, in a plan."""

from __future__ import annotations

import json
from collections.abc import Mapping

import duckdb
import pyarrow as pa

from pipeline.journal import Deaths

_DEAD = pa.schema(
    [
        *((text, pa.string()) for text in ("name", "item_id", "version")),
        ("suspect", pa.bool_()),
        ("alone", pa.int32()),
    ]
)


def load_deaths(
    database: duckdb.DuckDBPyConnection, deaths: Mapping[str, Deaths]
) -> dict[str, Deaths]:
    """Register the view ``dead`` for `apart_sql`; answers those of items that are owed tasks.

    Args:
        database: With the table ``joined`` of `pipeline.plan`.
        deaths: By name, see `pipeline.journal.name_of`. Of a version that is no more they
            count for nothing.
    """
    rows = [
        dict(zip(_DEAD.names, (name, *json.loads(name), d.is_suspect, _alone(d)), strict=True))
        for name, d in deaths.items()
    ]
    database.register("dead", pa.Table.from_pylist(rows, schema=_DEAD))
    owed = database.execute(
        """SELECT name FROM dead d JOIN joined j
           ON j.item_id = d.item_id AND j.item_version = d.version
           WHERE list_contains(list_transform(j.states, lambda s: s.state), 'owed')"""
    ).fetchall()
    return {name: deaths[name] for (name,) in owed}


def _alone(deaths: Deaths) -> int:
    return sum(deaths.alone.values())


def apart_sql(planned: str) -> tuple[str, str]:
    """A plan's rows without those of suspects, and theirs: who has killed alone comes last.

    Args:
        planned: A query for the rows of a plan.
    """
    same = "d.item_id = p.item_id AND d.version = p.item_version AND d.suspect"
    return (
        f"SELECT p.* FROM ({planned}) p ANTI JOIN dead d ON {same}",
        f"SELECT p.* FROM ({planned}) p JOIN dead d ON {same} ORDER BY d.alone",
    )
