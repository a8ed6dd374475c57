"""An output table and its commits.

A commit is applied exactly once: it carries the run's id and a counter as a Delta
application transaction, so that a commit whose acknowledgement got lost is recognised
when it is tried again. It carries the number of the run's lease likewise: once a successor
has left a higher one, commits of the run before it are refused.

Data files are written by ourselves and not by the log's library: its rewritten files have
other Parquet types than its new ones, which plain Parquet readers of the folder refuse.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from deltalake import CommitProperties, DeltaTable, Schema, Transaction
from deltalake.exceptions import DeltaError
from deltalake.transaction import AddAction, RemoveAction

from operators.storage import open_store
from pipeline.datafile import STATISTICS_COLUMNS, removal_of, write_data_file
from pipeline.delta import on_one_line, open_table, storage_options
from pipeline.lease import Lease
from pipeline.live_files import LiveFile, admits, live_files, small_files
from pipeline.locks import keep_locked, row_keys
from schemas.failure import ItemFailure, OutputInUseError, StorageError, UsageError
from schemas.job import StorageSpec
from schemas.uris import join_uri

FIRST_BACKOFF_S = 0.2
LONGEST_BACKOFF_S = 10.0
MAX_DATA_FILE_BYTES = 8 * 1024**3

LEASE = "tagline-lease"
"""The application in whose name a log keeps the highest number of a lease."""

_NewRows = Callable[[pa.Table], pa.Table]
_Action: TypeAlias = "AddAction | RemoveAction"
_ActionsOn = Callable[[DeltaTable], list[_Action]]


class OutputTable:
    """One table of the output, written by one run.

    Args:
        uri: Where the table is.
        schema: Its Arrow schema.
        storage: How its store is reached.
        run_id: Marks the commits of this run.
        lease: Under which this run writes; None for a writer that may write beside one.
    """

    def __init__(
        self,
        uri: str,
        schema: pa.Schema,
        storage: StorageSpec,
        run_id: str,
        lease: Lease | None = None,
    ) -> None:
        self.uri = uri
        self.schema = schema
        self._storage = storage
        self._store = open_store(uri, storage)
        self._run_id = run_id
        self._lease = lease
        self._commits = 0

    def ensure(self) -> None:
        """Create the table if it is absent; check that an existing one has our schema.

        Under a lease that takes over, no run before can commit to it any more.

        Raises:
            UsageError: If the table is not one of ours.
            OutputInUseError: If a later run has taken over.
            StorageError: If the store cannot be used.
        """
        existing = open_table(self.uri, self._storage)
        if existing is None:
            self._create()
        else:
            self._fit(existing)
        self.claim()

    def claim(self) -> None:
        """Under a lease that takes over, let the table's log know of it.

        Raises:
            OutputInUseError: If a later run has taken over.
            StorageError: If the store cannot be used.
        """
        if self._lease is not None and self._lease.takes_over:
            self._commit(lambda _: [])

    def _create(self) -> None:
        try:
            DeltaTable.create(
                self.uri,
                schema=Schema.from_arrow(self.schema),
                mode="ignore",
                storage_options=storage_options(self.uri, self._storage) or None,
            )
        except (DeltaError, OSError) as error:
            # Another may have been first; or it was made, and the reply got lost.
            if open_table(self.uri, self._storage) is None:
                raise StorageError(f"cannot create {self.uri}: {on_one_line(error)}") from error

    def _fit(self, existing: DeltaTable) -> None:
        """Add what columns an older version did not have; refuse a table that differs more."""
        own = {field.name: field for field in Schema.from_arrow(self.schema).fields}
        held = {field.name: field for field in existing.schema().fields}
        missing = [field for name, field in own.items() if name not in held]
        others = sorted(
            name for name, field in held.items() if own.get(name) != field
        ) + sorted(field.name for field in missing if not field.nullable)
        if others:
            raise UsageError(
                f"the table {self.uri} was made for other answers: its columns "
                f"{', '.join(others)} are not what this job writes; give the job another "
                "output, or the task another name"
            )
        if missing:
            try:
                existing.alter.add_columns(missing)
            except (DeltaError, OSError) as error:
                raise StorageError(
                    f"cannot bring {self.uri} to this version: {on_one_line(error)}"
                ) from error
        order = [*held, *(field.name for field in missing)]
        self.schema = pa.schema([self.schema.field(name) for name in order])

    def append(self, rows: pa.Table) -> None:
        """Commit rows whose keys the table does not hold. Raises `StorageError`."""
        self._commit(self._replacing(None, lambda _: rows))

    def upsert(
        self, rows: pa.Table, kept: Callable[[pa.Table, pa.Table], pa.Table] = keep_locked
    ) -> None:
        """Commit rows; those whose key the table holds replace it in the same commit.

        Args:
            rows: The new ones.
            kept: Answers the rows to be written, from the new ones and those that they
                replace; by default what people have set stays, see `pipeline.locks`.

        Raises:
            StorageError: If the store stayed unusable.
        """
        self._commit(self._replacing(row_keys(rows), lambda old: kept(rows, old)))

    def rewrite(self, keys: pa.Table, rewritten: Callable[[pa.Table], pa.Table]) -> None:
        """Commit other rows in place of those with these keys.

        Args:
            keys: Columns ``item_id`` and ``task``.
            rewritten: Answers the new rows for the old ones. Called anew with the rows of
                then when a commit is tried again; locks are its own business.

        Raises:
            StorageError: If the store stayed unusable.
        """
        self._commit(self._replacing(row_keys(keys), rewritten))

    def remove(self, keys: pa.Table) -> None:
        """Commit the removal of rows by key; keys that are not there are ignored.

        Args:
            keys: Columns ``item_id`` and ``task``.

        Raises:
            StorageError: If the store stayed unusable.
        """
        self._commit(self._replacing(row_keys(keys), lambda old: old.schema.empty_table()))

    def compact(self, target_bytes: int) -> tuple[int, int]:
        """Put the rows of small files together, sorted by item, a commit for each new file.

        Args:
            target_bytes: Size of a new file, about; files of half of it and more stay.

        Returns:
            How many data files there were, and are.

        Raises:
            StorageError: If the store stayed unusable.
        """
        before = len(live_files(self._opened()))
        while len(small_files(self._opened(), target_bytes)) > 1:
            self._commit(lambda table: self._merging(small_files(table, target_bytes)))
        return before, len(live_files(self._opened()))

    def _commit(self, actions_on: _ActionsOn) -> None:
        """Apply one commit exactly once, retrying until the storage timeout.

        Args:
            actions_on: Answers what is to be done to the table as it is; asked anew by each
                try, since another writer may have changed it.

        Raises:
            OutputInUseError: If a later run has taken over.
            StorageError: If the store stayed unusable for `StorageSpec.timeout_s`.
        """
        self._commits += 1
        deadline = time.monotonic() + self._storage.timeout_s
        backoff = FIRST_BACKOFF_S
        while True:
            try:
                self._try_commit(actions_on)
                return
            except (DeltaError, OSError) as error:
                if self._was_applied(deadline):
                    return
                if time.monotonic() + backoff > deadline:
                    raise StorageError(
                        f"cannot commit to {self.uri}: {on_one_line(error)}; what was "
                        "committed before is kept, run the same job again to go on"
                    ) from error
            time.sleep(random.uniform(backoff / 2, backoff))
            backoff = min(backoff * 2, LONGEST_BACKOFF_S)

    def _try_commit(self, actions_on: _ActionsOn) -> None:
        table = self._opened()
        marks = self._marks(table)
        actions = actions_on(table)
        if not actions and not self._claims(table):
            return
        table.create_write_transaction(
            actions,
            mode="append",
            schema=Schema.from_arrow(self.schema),
            commit_properties=CommitProperties(app_transactions=marks),
        )

    def _marks(self, table: DeltaTable) -> list[Transaction]:
        """What a commit carries; raises `OutputInUseError` if it may not be made."""
        marks = [Transaction(self._run_id, self._commits)]
        if self._lease is None:
            return marks
        held = table.transaction_version(LEASE) or 0
        if held > self._lease.number:
            raise OutputInUseError(
                f"a later run has taken over {self.uri}; this one can commit no more, and what "
                "it had committed is kept"
            )
        return [*marks, Transaction(LEASE, self._lease.number)]

    def _claims(self, table: DeltaTable) -> bool:
        """Whether the table has yet to learn of this run's lease."""
        lease = self._lease
        return bool(
            lease
            and lease.takes_over
            and (table.transaction_version(LEASE) or 0) < lease.number
        )

    def _opened(self) -> DeltaTable:
        return DeltaTable(
            self.uri, storage_options=storage_options(self.uri, self._storage) or None
        )

    def _replacing(self, gone: pa.Array | None, new_rows: _NewRows) -> _ActionsOn:
        """Take rows out and put others in.

        Args:
            gone: Keys of rows to be taken out.
            new_rows: Answers the rows to be added for those taken out.
        """

        def actions_on(table: DeltaTable) -> list[_Action]:
            actions: list[_Action] = []
            old = [self.schema.empty_table()]
            for file in self._files_with(table, gone) if gone is not None else ():
                actions.append(removal_of(file.path, file.size))
                old.append(file.rows_gone)
                if file.rows_left.num_rows:
                    actions.append(self._write(file.rows_left))
            rows = new_rows(pa.concat_tables(old))
            if rows.num_rows:
                actions.append(self._write(rows))
            return actions

        return actions_on

    def _merging(self, files: Sequence[LiveFile]) -> list[_Action]:
        """Put one file in the place of several, with the same rows."""
        rows = pa.concat_tables([self._read(file["path"]) for file in files])
        keys = [name for name in STATISTICS_COLUMNS if name in rows.column_names]
        by_key = rows.sort_by([(name, "ascending") for name in keys]) if keys else rows
        return [
            *(removal_of(one["path"], one["size_bytes"], data_change=False) for one in files),
            self._write(by_key, data_change=False),
        ]

    def _read(self, path: str) -> pa.Table:
        try:
            data = self._store.get(join_uri(self.uri, path), max_bytes=MAX_DATA_FILE_BYTES)
        except ItemFailure as failure:
            raise StorageError(
                f"cannot read a file of the table {self.uri}: {failure.message}"
            ) from failure
        return pq.read_table(pa.BufferReader(data), schema=self.schema)

    def _write(self, rows: pa.Table, *, data_change: bool = True) -> AddAction:
        label = f"{self._run_id}-{self._commits:05d}"
        return write_data_file(
            self._store, self.uri, self._in_order(rows), label, data_change=data_change
        )

    def _in_order(self, rows: pa.Table) -> pa.Table:
        """Rows in the table's own order of columns, which older versions chose otherwise."""
        return rows.select(self.schema.names).cast(self.schema)

    def _files_with(self, table: DeltaTable, keys: pa.Array) -> Iterator[_TouchedFile]:
        """Files that hold one of the keys, one at a time, with the rows that stay."""
        ids = sorted({key.split("\0")[0] for key in keys.to_pylist()})
        admitting = [file for file in live_files(table) if admits(file, ids)]
        for path, size in [(file["path"], file["size_bytes"]) for file in admitting]:
            rows = self._read(path)
            goes = pc.is_in(row_keys(rows), value_set=keys)
            gone = rows.filter(goes)
            if gone.num_rows:
                yield _TouchedFile(path, size, rows.filter(pc.invert(goes)), gone)

    def _was_applied(self, deadline: float) -> bool:
        """Asked until the store answers: otherwise the next try might apply it twice."""
        while True:
            try:
                return self._opened().transaction_version(self._run_id) == self._commits
            except (DeltaError, OSError) as error:
                if time.monotonic() + FIRST_BACKOFF_S > deadline:
                    raise StorageError(
                        f"whether a commit to {self.uri} was applied is not known: "
                        f"{on_one_line(error)}; run the same job again to go on"
                    ) from error
            time.sleep(FIRST_BACKOFF_S)


@dataclass(frozen=True)
class _TouchedFile:
    path: str
    size: int
    rows_left: pa.Table
    rows_gone: pa.Table
