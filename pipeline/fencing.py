"""Shut out of an output the run that held it before, should that one go on after all."""

from __future__ import annotations

import pyarrow as pa
from deltalake import DeltaTable

from pipeline.column_types import plain_schema
from pipeline.delta import open_table, tables_below
from pipeline.lease import Lease
from pipeline.output_table import OutputTable
from schemas.failure import UsageError
from schemas.job import StorageSpec
from schemas.tables import KEY_FIELDS, RUNS_TABLE
from schemas.uris import join_uri

_KEY = frozenset(field.name for field in KEY_FIELDS)


def is_ours(name: str, table: DeltaTable) -> bool:
    """Whether Tagline made a table that lies in an output; people put others there, too."""
    return name == RUNS_TABLE or {field.name for field in table.schema().fields} >= _KEY


def shut_out(output: str, storage: StorageSpec, run_id: str, lease: Lease) -> None:
    """Leave a lease that takes over in the log of every table of an output.

    Not only of those that its holder writes: the run before it may have had other tasks, and a
    run to come, which finds this lease released, takes no more care.

    Args:
        output: Root of the output.
        storage: How its store is reached.
        run_id: The holder's; no table has its own commits in this name.
        lease: Does nothing unless it takes over.

    Raises:
        OutputInUseError: If a later run has taken over.
        StorageError: If the store stayed unusable.
    """
    if not lease.takes_over:
        return
    for name in tables_below(output, storage):
        uri = join_uri(output, name)
        try:
            table = open_table(uri, storage)
        except UsageError:
            continue  # A broken log takes nobody's commits.
        if table is None:
            continue
        schema = plain_schema(pa.schema(table.schema().to_arrow()))
        if name == RUNS_TABLE or set(schema.names) >= _KEY:
            OutputTable(uri, schema, storage, f"{run_id}-takes-over", lease).claim()
