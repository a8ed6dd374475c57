"""Which items of a plan may show the very same."""

from __future__ import annotations


def with_twins_sql(planned: str, *, mark: bool) -> str:
    """The rows of a plan with column ``twin``.

    Two items may be twins if they are of one kind, are owed the same tasks, come with the same
    context, and have files of the same sizes in the same order; on S3 of the same ETags too,
    which elsewhere are times. Whether they are, decoding will tell.

    Args:
        planned: A query for the other columns of `PLAN_SCHEMA`.
        mark: Whether to look for twins at all.
    """
    if not mark:
        return f"SELECT *, NULL::VARCHAR AS twin FROM ({planned})"
    looks = """CASE
        WHEN windows IS NOT NULL THEN NULL
        WHEN len(list_filter(media, lambda m: m.size IS NULL)) > 0 THEN NULL
        ELSE md5(concat_ws(chr(0), kind, coalesce(context, ''),
          to_json(list_transform(tasks, lambda t: [t.name, t.fingerprint])),
          to_json(list_transform(media, lambda m: [m.size::VARCHAR,
            CASE WHEN m.uri LIKE 's3://%' THEN m.version END])),
          to_json([subtitles.size::VARCHAR, subtitles.version]))) END"""
    return f"""SELECT * EXCLUDE (looks),
        CASE WHEN looks IS NOT NULL AND count(*) OVER (PARTITION BY looks) > 1
          THEN looks END AS twin
      FROM (SELECT *, {looks} AS looks FROM ({planned}))"""
