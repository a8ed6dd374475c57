"""Which items of a plan may show the very same."""

from __future__ import annotations

from operators.sources.tar_places import TAR

_LOOKS_OF_A_FILE = f"""CASE
    WHEN m.inside LIKE '{TAR}:%' THEN ['', split_part(m.inside, ':', 3)]
    WHEN m.inside IS NOT NULL OR m.size IS NULL THEN [m.uri, m.inside]
    WHEN m.uri LIKE 's3://%' THEN [m.size::VARCHAR, m.version]
    ELSE [m.size::VARCHAR] END"""
"""What two files of the same content have in common, of what is known unread."""


def with_twins_sql(planned: str, *, mark: bool) -> str:
    """The rows of a plan with column ``twin``.

    Two items may be twins if they are of one kind, are owed the same tasks, come with the same
    context, and have files of the same sizes in the same order; on S3 of the same ETags too,
    which elsewhere are times. Of members of shards the size is known as well; of what a
    manifest names only the address is. Whether they are twins, decoding will tell.

    Args:
        planned: A query for the other columns of `PLAN_SCHEMA`.
        mark: Whether to look for twins at all.
    """
    if not mark:
        return f"SELECT *, NULL::VARCHAR AS twin FROM ({planned})"
    looks = f"""CASE WHEN windows IS NULL THEN md5(concat_ws(chr(0),
        kind, coalesce(context, ''),
        to_json(list_transform(tasks, lambda t: [t.name, t.fingerprint])),
        to_json(list_transform(media, lambda m: {_LOOKS_OF_A_FILE})),
        to_json([subtitles.size::VARCHAR, subtitles.version]))) END"""
    return f"""SELECT * EXCLUDE (looks),
        CASE WHEN looks IS NOT NULL AND count(*) OVER (PARTITION BY looks) > 1
          THEN looks END AS twin
      FROM (SELECT *, {looks} AS looks FROM ({planned}))"""
