"""Which source serves an input."""

from __future__ import annotations

from collections.abc import Sequence

from operators.sources.base import Source
from operators.sources.listing import Listing
from operators.sources.manifest import Manifest
from operators.sources.shards import Shards
from schemas.failure import UsageError
from schemas.inputs import InputSpec
from schemas.job import StorageSpec


def open_source(spec: InputSpec, storage: StorageSpec, columns: Sequence[str] = ()) -> Source:
    """Make the source of an input.

    Args:
        spec: The job's input section.
        storage: How object storage is reached.
        columns: Columns that the job's prompts show, which the items' context must have.

    Raises:
        UsageError: If the input has no such columns.
    """
    if spec.manifest is not None:
        return Manifest(spec.manifest, storage, columns)
    if spec.shards is not None:
        return Shards(spec.shards, storage, columns)
    if columns:
        raise UsageError(
            f"the tasks show columns ({', '.join(columns)}), but plain files have none; list "
            "the items in input.manifest, or take them from input.shards"
        )
    return Listing(spec, storage)
