"""Media that are part of a file: cells of a Parquet file, members of a tar archive.

Where a medium is inside its file is written as ``parquet:<row group>:<row>:<column>``, or
as `operators.sources.tar_places` says.
"""

from __future__ import annotations

import threading
from typing import BinaryIO

import pyarrow as pa
import pyarrow.parquet as pq

from operators.sources.tar_places import TAR, read_member
from operators.storage import Stores
from operators.storage.base import too_large
from schemas.failure import FailureCode, ItemFailure, Stage
from schemas.item import Medium

MAX_GROUPS_HELD = 2
_KIND = "parquet"


def cell(column: str, group: int, row: int) -> str:
    """Where a cell is: its row group, its row in the group, and its column."""
    return f"{_KIND}:{group}:{row}:{column}"


class InsideReader:
    """Reads media by `Medium.inside`. Thread-safe.

    Neighbouring rows are asked for one after the other, so a row group's column is read
    once and held until two others have been asked for.

    Args:
        stores: Where the files are.
    """

    def __init__(self, stores: Stores) -> None:
        self._stores = stores
        self._groups: dict[tuple[str, str | None, int, str], pa.ChunkedArray] = {}
        self._files: dict[tuple[str, str | None], BinaryIO] = {}
        self._lock = threading.Lock()

    def read(self, medium: Medium, max_bytes: int) -> bytes:
        """The bytes of one medium.

        Raises:
            ItemFailure: If they cannot be had.
        """
        kind = (medium.inside or "").partition(":")[0]
        if kind == TAR:
            return read_member(self._stores, medium, max_bytes)
        if kind != _KIND:
            raise ValueError(f"no reader for {medium.inside!r}")
        return self._read_cell(medium, max_bytes)

    def _read_cell(self, medium: Medium, max_bytes: int) -> bytes:
        _, group, row, column = (medium.inside or "").split(":", 3)
        try:
            with self._lock:
                values = self._group(medium, int(group), column)
        except pa.ArrowException as error:
            raise ItemFailure(
                Stage.FETCH, FailureCode.CORRUPT, f"{medium.uri} cannot be read: {error}"
            ) from error
        value = values[int(row)].as_py()
        if isinstance(value, dict):
            value = value.get("bytes")
        if not value:
            raise ItemFailure(
                Stage.FETCH,
                FailureCode.EMPTY_FILE,
                f"{medium.uri}: row {row} of row group {group} holds no bytes in {column!r}",
            )
        if len(value) > max_bytes:
            raise too_large(f"{medium.uri} ({medium.inside})", len(value), max_bytes)
        return value

    def close(self) -> None:
        """Close what is open."""
        with self._lock:
            for file in self._files.values():
                file.close()
            self._files.clear()
            self._groups.clear()

    def _group(self, medium: Medium, group: int, column: str) -> pa.ChunkedArray:
        key = (medium.uri, medium.version, group, column)
        if key not in self._groups:
            while len(self._groups) >= MAX_GROUPS_HELD:
                self._groups.pop(next(iter(self._groups)))
            table = pq.ParquetFile(self._file(medium)).read_row_group(group, columns=[column])
            self._groups[key] = table.column(column)
        return self._groups[key]

    def _file(self, medium: Medium) -> BinaryIO:
        """The file, spooled to disk if it is remote; one is open at a time."""
        key = (medium.uri, medium.version)
        if key not in self._files:
            while self._files:
                self._files.pop(next(iter(self._files))).close()
            store = self._stores.of(medium.uri)
            self._files[key] = store.open(medium.uri, version=medium.version)
        return self._files[key]
