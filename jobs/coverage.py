"""How much of a taxonomy a job's tags use."""

from __future__ import annotations

from collections import Counter

from rich.console import Console
from rich.table import Table
from rich.text import Text

from operators.tasks.registry import BoundTask, bind_tasks
from operators.tasks.vocabulary import NOTHING
from operators.taxonomy import Node, Taxonomy
from schemas.failure import UsageError
from schemas.job import JobSpec
from schemas.uris import join_uri


def show_coverage(console: Console, job: JobSpec, *, unused_only: bool) -> None:
    """Print, for each taxonomy of a job, how often each of its tags was given.

    Raises:
        UsageError: If no task of the job has a taxonomy, or there are no tags yet.
        StorageError: If the store cannot be read.
    """
    tasks = [bound for bound in bind_tasks(job.tasks) if _taxonomy(bound)]
    if not tasks:
        raise UsageError(f"no task of job {job.name!r} has a taxonomy")
    for bound in tasks:
        taxonomy = _taxonomy(bound)
        assert taxonomy is not None
        rows, given, nothing = _count(job, bound)
        _print(console, taxonomy, given, unused_only=unused_only)
        used = {node.id for tag in given for node in _path(taxonomy, tag)}
        unused = len(taxonomy.nodes) - len(used)
        console.print(
            f"{bound.name}: {rows:,} items, {nothing:,} of them with nothing that fits; "
            f"{unused:,} of {len(taxonomy.nodes):,} tags never used"
        )


def _taxonomy(bound: BoundTask) -> Taxonomy | None:
    return getattr(bound.options, "taxonomy", None)


def _path(taxonomy: Taxonomy, tag: str) -> list[Node]:
    """The tag and its parents; empty for a tag that an older taxonomy had."""
    return taxonomy.path(tag) if tag in taxonomy.by_id else []


def _count(job: JobSpec, bound: BoundTask) -> tuple[int, Counter[str], int]:
    """Items, tags by id, and items without any."""
    from pipeline.delta import open_table, query

    uri = join_uri(job.output.uri, bound.table)
    table = open_table(uri, job.storage)
    if table is None:
        raise UsageError(f"there is no table {uri} yet; run the job first")
    name = bound.name.replace("'", "''")
    rows, nothing, given = 0, 0, Counter[str]()
    for batch in query(table, f"SELECT tags FROM rows WHERE task = '{name}'"):
        for tags in batch.column("tags").to_pylist():
            rows += 1
            nothing += any(tag["id"] is None and tag["tag"] == NOTHING for tag in tags)
            given.update(tag["id"] for tag in tags if tag["id"] is not None)
    return rows, given, nothing


def _print(
    console: Console, taxonomy: Taxonomy, given: Counter[str], *, unused_only: bool
) -> None:
    below: Counter[str] = Counter()
    for tag, times in given.items():
        below.update({node.id: times for node in _path(taxonomy, tag)})
    view = Table("tag", "id", "given", "with those below", box=None, pad_edge=False)
    for node in taxonomy.nodes:
        if unused_only and below[node.id]:
            continue
        path = " > ".join(part.name for part in taxonomy.path(node.id))
        view.add_row(Text(path), Text(node.id), f"{given[node.id]:,}", f"{below[node.id]:,}")
    console.print(view)
