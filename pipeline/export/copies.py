"""Copies of a manifest's Parquet files, row by row with the answers beside them."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import BinaryIO

import pyarrow as pa
import pyarrow.parquet as pq

from operators.sources.manifest import SUFFIXES
from operators.storage import ObjectInfo, Stores
from pipeline.export.columns import AnswerColumn, refuse_taken
from pipeline.export.joined import JoinedItem
from pipeline.export.table import answer_arrays
from pipeline.export.target import Target
from schemas.failure import ItemFailure, StorageError, UsageError
from schemas.inputs import ManifestSpec
from schemas.job import StorageSpec

PARQUET = ".parquet"


class ManifestCopies:
    """The Parquet files that a job's manifest is made of.

    Args:
        manifest: What the job lists its items by.
        storage: How object storage is reached.
    """

    def __init__(self, manifest: ManifestSpec, storage: StorageSpec) -> None:
        self._manifest = manifest
        self._stores = Stores(storage)

    def possible(self) -> bool:
        """Whether all files of the manifest are Parquet."""
        return all(info.uri.lower().endswith(PARQUET) for _, info in self._files())

    def refuse_taken_names(self, columns: Sequence[AnswerColumn]) -> None:
        """Raise `UsageError` if a file has a column of such a name already."""
        for _, info in self._files():
            with self._opened(info) as file:
                names = _parquet(info, file).schema_arrow.names
            refuse_taken(columns, names, f"the columns of {info.uri}")

    def write(
        self, items: Iterator[JoinedItem], columns: Sequence[AnswerColumn], target: Target
    ) -> None:
        """Write a copy of every file, under its own name below its address.

        Args:
            items: All that the manifest lists, in its order.
            columns: What is added.
            target: Where to.

        Raises:
            UsageError: If the target may not be written, or a file cannot be read.
            StorageError: If a store cannot be reached, or a file changed meanwhile.
        """
        for name, info in self._files():
            with (
                self._opened(info) as source,
                tempfile.TemporaryFile(prefix="tagline-export-") as copy,
            ):
                try:
                    self._copy(info, _parquet(info, source), copy, items, columns)
                except pa.ArrowException as error:
                    raise _unreadable(info, error) from error
                target.put(name, copy)

    def _copy(
        self,
        info: ObjectInfo,
        source: pq.ParquetFile,
        copy: BinaryIO,
        items: Iterator[JoinedItem],
        columns: Sequence[AnswerColumn],
    ) -> None:
        schema = source.schema_arrow
        for column in columns:
            schema = schema.append(column.field)
        with pq.ParquetWriter(copy, schema, compression="zstd") as writer:
            for group in range(source.num_row_groups):
                table = source.read_row_group(group)
                rows = list(islice(items, table.num_rows))
                self._check_ids(info, table, rows)
                arrays = [*table.columns, *answer_arrays(rows, columns)]
                writer.write_table(
                    pa.Table.from_arrays(arrays, schema=schema),
                    row_group_size=max(1, table.num_rows),
                )

    def _check_ids(self, info: ObjectInfo, table: pa.Table, rows: Sequence[JoinedItem]) -> None:
        """The files are read twice, for the listing and for the copy."""
        ids = [str(value) for value in table.column(self._manifest.id).to_pylist()]
        if ids != [row.item_id for row in rows]:
            raise StorageError(f"export: {info.uri} changed while it was exported; export anew")

    def _files(self) -> Iterator[tuple[str, ObjectInfo]]:
        """The manifest's files in its order, each with the name of its copy."""
        uris = self._manifest.uris
        for number, uri in enumerate(uris):
            for info in self._stores.of(uri).list(uri):
                if info.uri.lower().endswith(SUFFIXES):
                    # Files below two addresses may have one name.
                    yield (f"{number:03d}/{info.key}" if len(uris) > 1 else info.key), info

    def _opened(self, info: ObjectInfo) -> BinaryIO:
        try:
            return self._stores.of(info.uri).open(info.uri, version=info.version)
        except ItemFailure as failure:
            raise StorageError(f"export: {failure.message}") from failure


def _parquet(info: ObjectInfo, file: BinaryIO) -> pq.ParquetFile:
    try:
        return pq.ParquetFile(file)
    except pa.ArrowException as error:
        raise _unreadable(info, error) from error


def _unreadable(info: ObjectInfo, error: pa.ArrowException) -> UsageError:
    return UsageError(f"export: {info.uri} cannot be copied: {error}")
