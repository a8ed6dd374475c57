"""Which items of a plan may show the very same as others, or nearly."""

from __future__ import annotations

from collections.abc import Mapping

import duckdb

from operators.sources.tar_places import TAR
from pipeline.listed import parts_of, quoted
from schemas.job import DuplicateSpec
from schemas.media import MediaKind

_LOOKS_OF_A_FILE = f"""CASE
    WHEN m.inside LIKE '{TAR}:%' THEN ['', split_part(m.inside, ':', 3)]
    WHEN m.inside IS NOT NULL OR m.size IS NULL THEN [m.uri, m.inside]
    WHEN m.uri LIKE 's3://%' THEN [m.size::VARCHAR, m.version]
    ELSE [m.size::VARCHAR] END"""
"""What two files of the same content have in common, of what is known unread."""


def content_key_sql(duplicates: DuplicateSpec) -> str:
    """What listed items have in common with all that may show the same; null if none is sought.

    Two items may show the same if they are of one kind, come with the same context, and have
    files of the same sizes in the same order; on S3 of the same ETags too, which elsewhere are
    times. Of members of shards the size is known as well; of what a manifest names only the
    address is. Whether they do, decoding will tell.
    """
    if duplicates.exact != "copy":
        return "NULL::BIGINT"
    # 63 bits: a key is a hint, and the tables have a column of them.
    return f"""(md5_number_lower(concat_ws(chr(0), kind, coalesce(context, ''),
        to_json(list_transform(media, lambda m: {_LOOKS_OF_A_FILE})),
        to_json([subtitles.size::VARCHAR, subtitles.version]))) >> 1)::BIGINT"""


def with_elders_sql(keyed: str, elders: Mapping[str, str]) -> str:
    """The rows of a plan with what earlier runs may have to give for each of their tasks.

    Args:
        keyed: A query for them, with ``content_key``.
        elders: By the tasks' names, views of ``content_key`` and ``elders``.
    """
    joins = "".join(
        f" LEFT JOIN {view} ON {view}.content_key = k.content_key" for view in elders.values()
    )
    cases = " ".join(f"WHEN {quoted(name)} THEN {view}.elders" for name, view in elders.items())
    found = f"CASE t.name {cases} END" if cases else "NULL"
    return f"""SELECT k.* REPLACE (list_transform(
          k.tasks, lambda t: struct_insert(t, elders := {found})) AS tasks)
        FROM ({keyed}) k{joins}"""


def with_twins_sql(
    database: duckdb.DuckDBPyConnection, planned: str, duplicates: DuplicateSpec
) -> str:
    """The rows of a plan with columns ``twin`` and ``alike``.

    Two items may be twins if they have one ``content_key`` and are owed the same tasks.

    Two pictures may look alike if they are owed the same tasks and come with the same context,
    whatever their files are. One that failed before is asked about by itself, since it may have
    failed only because another did.

    Args:
        database: Gets tables of what several items have in common. A window function would
            do, but holds all rows at once.
        planned: A query for the other columns of `PLAN_SCHEMA`.
        duplicates: What to look for.
    """
    if duplicates.exact != "copy":
        return f"SELECT *, NULL::VARCHAR AS twin, NULL::VARCHAR AS alike FROM ({planned})"
    owed = "list_transform(tasks, lambda t: [t.name, t.fingerprint])"
    looks = f"CASE WHEN content_key IS NOT NULL THEN hash(content_key, {owed}) END"
    wanted = "false" if duplicates.near is None else _MAY_LOOK_LIKE_ANOTHER
    pictures = f"CASE WHEN {wanted} THEN hash(kind, context, {owed}) END"
    columns = {"twin": looks, "alike": pictures}
    for name, value in columns.items():
        _find_shared(database, f"SELECT {value} AS value FROM ({planned})", f"shared_{name}")
    shared = ", ".join(
        f"""CASE WHEN {value} IN (SELECT value FROM shared_{name})
            THEN ({value})::VARCHAR END AS {name}"""
        for name, value in columns.items()
    )
    return f"SELECT *, {shared} FROM ({planned})"


def _find_shared(database: duckdb.DuckDBPyConnection, values: str, table: str) -> None:
    """Make a table of the numbers that come more than once in a query for many."""
    database.execute(
        f"CREATE TABLE counted AS SELECT value FROM ({values}) WHERE value IS NOT NULL"
    )
    database.execute(f"CREATE TABLE {table} (value UBIGINT)")
    for part in parts_of(database, "counted", "value"):
        database.execute(
            f"""INSERT INTO {table} SELECT value FROM counted WHERE {part}
                GROUP BY value HAVING count(*) > 1"""
        )
    database.execute("DROP TABLE counted")


_MAY_LOOK_LIKE_ANOTHER = f"""kind = '{MediaKind.IMAGE}'
    AND len(list_filter(tasks, lambda t: t.attempt > 1)) = 0"""
