"""Keep an output's folders small: few large files, and none that no reader needs."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath

import pyarrow as pa
from deltalake import DeltaTable
from deltalake.exceptions import DeltaError

from operators.storage import open_store
from operators.storage.base import ObjectInfo
from pipeline.column_types import plain_schema
from pipeline.delta import (
    LOG_FOLDER,
    on_one_line,
    open_table,
    refuse_unsafe_environment,
    tables_below,
)
from pipeline.fencing import is_ours, shut_out
from pipeline.lease import Lease, held_lease
from pipeline.output_format import require_known_format
from pipeline.output_table import OutputTable
from pipeline.plan import PLANS_FOLDER
from schemas.failure import StorageError, UsageError
from schemas.job import StorageSpec
from schemas.uris import join_uri

KEEP_HOURS = 24
TARGET_BYTES = 128 * 1024**2
"""Size of a data file that is neither small nor large."""


@dataclass(frozen=True)
class Vacuumed:
    """What was removed from one place of an output.

    Attributes:
        place: A table's name, or ``plans`` for what runs that were killed left of theirs.
        files: How many files.
        size: Bytes of them.
    """

    place: str
    files: int
    size: int


@dataclass(frozen=True)
class Compacted:
    """What became of one table's files.

    Attributes:
        table: Its name.
        files_before: How many data files it had.
        files_after: How many it has.
    """

    table: str
    files_before: int
    files_after: int


def vacuum(
    output: str, storage: StorageSpec, *, keep_hours: int = KEEP_HOURS, dry_run: bool = False
) -> Iterator[Vacuumed]:
    """Remove the files that no version of a table needs any more, place by place.

    Those are data files that were replaced, and files of commits that were never made. No run
    may write to the output meanwhile: it would lose files that it is about to commit.

    Args:
        output: Root of the output.
        storage: How its store is reached.
        keep_hours: Files replaced or written more recently stay, for readers that are at work.
        dry_run: Remove nothing, only say what would be.

    Raises:
        UsageError: If there is no output.
        OutputInUseError: If a run writes to it.
        StorageError: If the store stayed unusable.
    """
    for name, _ in _under_lease(output, storage, "vacuum"):
        uri = join_uri(output, name)
        sizes = _sizes(uri, storage)
        table = _opened(uri, storage)
        try:
            gone = table.vacuum(
                retention_hours=keep_hours,
                enforce_retention_duration=False,
                dry_run=dry_run,
                full=True,
            )
        except (DeltaError, OSError) as error:
            raise StorageError(f"cannot vacuum {uri}: {on_one_line(error)}") from error
        # The log goes on naming replaced files that an earlier vacuum removed.
        keys = {PurePosixPath(path).name for path in gone} & sizes.keys()
        yield Vacuumed(name, len(keys), sum(sizes[key] for key in keys))
    yield _without_plans(output, storage, dry_run)


def compact(output: str, storage: StorageSpec) -> Iterator[Compacted]:
    """Put the rows of small files together in files of about `TARGET_BYTES`, table by table.

    The rows stay as they are; the files that held them stay as well, until a vacuum.

    Args:
        output: Root of the output.
        storage: How its store is reached.

    Raises:
        UsageError: If there is no output.
        OutputInUseError: If a run writes to it.
        StorageError: If the store stayed unusable.
    """
    for name, lease in _under_lease(output, storage, "compact"):
        uri = join_uri(output, name)
        schema = plain_schema(pa.schema(_opened(uri, storage).schema().to_arrow()))
        table = OutputTable(uri, schema, storage, f"compact-{uuid.uuid4().hex}", lease)
        yield Compacted(name, *table.compact(TARGET_BYTES))


def _under_lease(output: str, storage: StorageSpec, what: str) -> Iterator[tuple[str, Lease]]:
    """Tagline's own tables of an output, held for as long as they are worked on."""
    refuse_unsafe_environment()
    names = tables_below(output, storage)
    if not names:
        raise UsageError(f"there are no tables at {output}; is that a job's output?")
    require_known_format(output, storage)
    run_id = f"{what}-{uuid.uuid4().hex[:8]}"
    with held_lease(output, storage, run_id) as lease:
        shut_out(output, storage, run_id, lease)
        for name in names:
            if is_ours(name, _opened(join_uri(output, name), storage)):
                yield name, lease


def _opened(uri: str, storage: StorageSpec) -> DeltaTable:
    table = open_table(uri, storage)
    if table is None:
        raise UsageError(f"the table {uri} was removed meanwhile")
    return table


def _sizes(uri: str, storage: StorageSpec) -> dict[str, int]:
    """Bytes of a table's files by name, its log left out."""
    listed: Iterator[ObjectInfo] = open_store(uri, storage).list(uri)
    return {info.key: info.size or 0 for info in listed if not info.key.startswith(LOG_FOLDER)}


def _without_plans(output: str, storage: StorageSpec, dry_run: bool) -> Vacuumed:
    folder = join_uri(output, *PLANS_FOLDER)
    store = open_store(folder, storage)
    try:
        parts = list(store.list(folder))
    except UsageError:
        parts = []  # There is no such folder.
    if not dry_run:
        for part in parts:
            store.delete(part.uri)
    return Vacuumed("plans", len(parts), sum(part.size or 0 for part in parts))
