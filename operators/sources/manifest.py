"""Items from a manifest: a Parquet, CSV or JSON Lines table with one row an item.

Rows are streamed; only the columns that are needed are read.
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterator, Sequence
from pathlib import PurePosixPath
from typing import Any, BinaryIO

import pyarrow as pa
import pyarrow.parquet as pq

from operators.sources.base import AN_ID, ListedItem, SkippedFiles, is_id
from operators.sources.inside import cell
from operators.storage import ObjectInfo, Stores
from schemas.failure import ItemFailure, StorageError, UsageError
from schemas.fingerprint import digest
from schemas.inputs import ManifestSpec
from schemas.item import Medium
from schemas.item_tables import context_to_json
from schemas.job import StorageSpec
from schemas.media import MediaKind, kind_from_name
from schemas.uris import join_uri

SUFFIXES = (".parquet", ".csv", ".jsonl", ".ndjson")
ROWS_PER_BATCH = 4096


class Manifest(Iterator[ListedItem]):
    """Streams the items of a manifest.

    Args:
        spec: The job's manifest section.
        storage: How object storage is reached.
        columns: Columns that prompts show.

    Attributes:
        skipped: Files among the manifest's that are none of its kinds.
    """

    def __init__(
        self, spec: ManifestSpec, storage: StorageSpec, columns: Sequence[str] = ()
    ) -> None:
        self.skipped = SkippedFiles()
        self._spec = spec
        self._columns = tuple(columns)
        self._stores = Stores(storage)
        self._items = self._stream()

    def __next__(self) -> ListedItem:
        return next(self._items)

    def _stream(self) -> Iterator[ListedItem]:
        for uri in self._spec.uris:
            taken = 0
            for info in self._stores.of(uri).list(uri):
                if info.uri.lower().endswith(SUFFIXES):
                    taken += 1
                    yield from self._items_of(info)
                else:
                    self.skipped.not_media += 1
            if not taken:
                raise UsageError(
                    f"input.manifest: nothing at {uri} ends in {', '.join(SUFFIXES)}"
                )

    def _items_of(self, info: ObjectInfo) -> Iterator[ListedItem]:
        try:
            file = self._stores.of(info.uri).open(info.uri, version=info.version)
        except ItemFailure as failure:
            raise StorageError(f"input.manifest: {failure.message}") from failure
        with file:
            try:
                yield from self._rows_to_items(info, file)
            except (pa.ArrowException, OSError, UnicodeDecodeError, csv.Error) as error:
                raise UsageError(
                    f"input.manifest: {info.uri} cannot be read: {error}"
                ) from error

    def _rows_to_items(self, info: ObjectInfo, file: BinaryIO) -> Iterator[ListedItem]:
        number = 0
        for number, (row, cells) in enumerate(self._rows(info, file), start=1):
            yield self._item(info, number, row, cells)

    def _rows(
        self, info: ObjectInfo, file: BinaryIO
    ) -> Iterator[tuple[dict[str, Any], dict[str, str]]]:
        """Rows with the needed columns, and for cells that hold bytes where they are."""
        suffix = PurePosixPath(info.uri.lower()).suffix
        if suffix == ".parquet":
            yield from self._parquet_rows(info, file)
            return
        text = io.TextIOWrapper(file, encoding="utf-8-sig", newline="")
        rows = self._csv_rows(info, text) if suffix == ".csv" else _json_rows(info, text)
        for row in rows:
            yield row, {}

    def _csv_rows(self, info: ObjectInfo, text: io.TextIOWrapper) -> Iterator[dict[str, Any]]:
        reader = csv.DictReader(text)
        self._require(info, reader.fieldnames or ())
        for row in reader:
            yield {column: value or None for column, value in row.items() if column}

    def _parquet_rows(
        self, info: ObjectInfo, file: BinaryIO
    ) -> Iterator[tuple[dict[str, Any], dict[str, str]]]:
        table = pq.ParquetFile(file)
        schema = table.schema_arrow
        self._require(info, schema.names)
        in_cells = [c for c in self._spec.media if _holds_bytes(schema.field(c).type)]
        wanted = [column for column in self._needed() if column not in in_cells]
        for group in range(table.num_row_groups):
            place = 0
            for batch in table.iter_batches(ROWS_PER_BATCH, row_groups=[group], columns=wanted):
                for row in batch.to_pylist():
                    yield row, {column: cell(column, group, place) for column in in_cells}
                    place += 1

    def _needed(self) -> list[str]:
        spec = self._spec
        named = [name for name in (spec.version, spec.subtitles) if name]
        return list(dict.fromkeys([spec.id, *spec.media, *named, *self._columns, *spec.carry]))

    def _require(self, info: ObjectInfo, there: Sequence[str]) -> None:
        for column in self._needed():
            if column not in there:
                raise UsageError(
                    f"input.manifest: {info.uri} has no column {column!r}; it has "
                    f"{', '.join(there)}"
                )

    def _item(
        self, info: ObjectInfo, number: int, row: dict[str, Any], cells: dict[str, str]
    ) -> ListedItem:
        spec = self._spec
        item_id = self._id(info, number, row.get(spec.id))
        media, several = self._media(info, row, cells)
        subtitles = self._subtitles(row)
        context = {column: _plain(row.get(column)) for column in self._columns}
        carried = {column: _plain(row.get(column)) for column in spec.carry}
        version = digest(
            {
                "media": [[m.uri, m.inside, m.version] for m in media],
                "version": _plain(row.get(spec.version)) if spec.version else None,
                "context": context,
                **({"subtitles": subtitles.uri} if subtitles else {}),
            }
        )
        return ListedItem(
            item_id=item_id,
            kind=self._kind(media, several=several),
            item_version=version,
            media=tuple(media),
            context=context,
            carried=context_to_json(carried),
            subtitles=subtitles,
        )

    def _id(self, info: ObjectInfo, number: int, value: Any) -> str:
        text = "" if value is None else str(value)
        if not is_id(text):
            raise UsageError(
                f"input.manifest: row {number} of {info.uri}: expected {AN_ID} in column "
                f"{self._spec.id!r}, not {text[:80]!r}"
            )
        return text

    def _media(
        self, info: ObjectInfo, row: dict[str, Any], cells: dict[str, str]
    ) -> tuple[list[Medium], bool]:
        media: list[Medium] = []
        several = len(self._spec.media) > 1
        for column in self._spec.media:
            if column in cells:
                media.append(Medium(info.uri, None, info.version, cells[column]))
                continue
            value = row.get(column)
            if isinstance(value, list):
                several = True
            for address in value if isinstance(value, list) else [value]:
                if address:
                    media.append(Medium(self._resolved(str(address)), None, None))
        return media, several

    def _subtitles(self, row: dict[str, Any]) -> Medium | None:
        address = row.get(self._spec.subtitles) if self._spec.subtitles else None
        return Medium(self._resolved(str(address)), None, None) if address else None

    def _resolved(self, address: str) -> str:
        absolute = "://" in address or address.startswith("/")
        return (
            address if absolute or not self._spec.base else join_uri(self._spec.base, address)
        )

    def _kind(self, media: Sequence[Medium], *, several: bool) -> MediaKind:
        if self._spec.kind is not None:
            return MediaKind(self._spec.kind)
        if several:
            return MediaKind.IMAGES
        named = kind_from_name(_path(media[0].uri)) if media and not media[0].inside else None
        return named or MediaKind.IMAGE


def _json_rows(info: ObjectInfo, text: io.TextIOWrapper) -> Iterator[dict[str, Any]]:
    for number, line in enumerate(text, start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except (json.JSONDecodeError, RecursionError) as error:
            row = error
        if not isinstance(row, dict):
            raise UsageError(
                f"input.manifest: line {number} of {info.uri} is no JSON object: {line[:80]!r}"
            )
        yield row


def _holds_bytes(kind: pa.DataType) -> bool:
    if pa.types.is_struct(kind):
        return any(field.name == "bytes" for field in kind)
    return pa.types.is_binary(kind) or pa.types.is_large_binary(kind)


def _path(uri: str) -> str:
    """An address without a web address's query: ``a.mp4?width=640`` is a video."""
    return re.split("[?#]", uri)[0] if uri.lower().startswith(("http:", "https:")) else uri


def _plain(value: Any) -> Any:
    """A value as JSON can hold it."""
    if value is None or isinstance(value, str | bool | int | float):
        return value
    if isinstance(value, list | tuple):
        return [_plain(part) for part in value]
    if isinstance(value, dict):
        return {str(name): _plain(part) for name, part in value.items()}
    return str(value)
