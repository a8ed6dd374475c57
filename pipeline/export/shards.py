"""Items as WebDataset shards: tar files of media, texts and JSON, sample by sample."""

from __future__ import annotations

import io
import tarfile
import tempfile
from collections.abc import Iterable
from contextlib import ExitStack
from typing import BinaryIO

from pipeline.export.columns import AnswerColumn
from pipeline.export.joined import JoinedItem
from pipeline.export.media import MediaReader, OpenMedium
from pipeline.export.record import as_json, as_record
from pipeline.export.report import ExportReport
from pipeline.export.target import MAX_FILE_BYTES, Target
from schemas.failure import ItemFailure
from schemas.media import MediaKind

SAMPLES_PER_SHARD = 1000


class ShardWriter:
    """Writes ``00000.tar`` and on. The same items give the same bytes.

    A sample's key is its running number, so no name in it is anybody's but ours.

    Args:
        target: Where the shards go.
        media: Where the media come from.
        text: The column that becomes a sample's ``.txt``.
        report: Told what is left out.
        samples_per_shard: Most samples of one shard.
        bytes_per_shard: A shard of so many bytes takes no further sample.
    """

    def __init__(
        self,
        target: Target,
        media: MediaReader,
        text: AnswerColumn,
        report: ExportReport,
        *,
        samples_per_shard: int = SAMPLES_PER_SHARD,
        bytes_per_shard: int = MAX_FILE_BYTES,
    ) -> None:
        self._target = target
        self._media = media
        self._text = text
        self._report = report
        self._samples_per_shard = samples_per_shard
        self._bytes_per_shard = bytes_per_shard
        self._shards = 0
        self._samples = 0

    def write(self, items: Iterable[JoinedItem]) -> int:
        """Write all items; answers how many samples they became.

        Raises:
            UsageError: If the target may not be written.
            StorageError: If a store cannot be reached.
        """
        left = iter(items)
        while self._write_shard(left):
            self._shards += 1
        return self._samples

    def _write_shard(self, items: Iterable[JoinedItem]) -> bool:
        """Write the next shard; whether there was a sample for it."""
        before = self._samples
        with tempfile.TemporaryFile(prefix="tagline-export-") as file:
            with tarfile.open(fileobj=file, mode="w", format=tarfile.GNU_FORMAT) as tar:
                for item in items:
                    self._write_sample(tar, item)
                    full = self._samples - before >= self._samples_per_shard
                    if full or file.tell() >= self._bytes_per_shard:
                        break
            if self._samples == before:
                return False
            self._target.put(f"{self._shards:05d}.tar", file)
        return True

    def _write_sample(self, tar: tarfile.TarFile, item: JoinedItem) -> None:
        text = item.answers[self._text.name]
        if text is None:
            self._report.without_text += 1
            return
        key = f"{self._samples:09d}"
        with ExitStack() as stack:
            media = self._open_media(item, stack)
            if not media:
                self._report.without_media += 1
                return
            for place, medium in media.items():
                number = f".{place}" if item.kind is MediaKind.IMAGES else ""
                _add(tar, f"{key}{number}.{medium.suffix}", medium.file, medium.size)
        for suffix, data in (("txt", text.encode()), ("json", as_json(as_record(item)))):
            _add(tar, f"{key}.{suffix}", io.BytesIO(data), len(data))
        self._samples += 1

    def _open_media(self, item: JoinedItem, stack: ExitStack) -> dict[int, OpenMedium]:
        """The media that can be had, by their place in the item."""
        media = {}
        for place, medium in enumerate(item.media):
            try:
                media[place] = self._media.open(medium)
            except ItemFailure as failure:
                self._report.leave_out_medium(f"{item.item_id!r}: {failure.message}")
            else:
                stack.callback(media[place].file.close)
        return media


def _add(tar: tarfile.TarFile, name: str, file: BinaryIO, size: int) -> None:
    """Add a file that is nobody's and of no time."""
    entry = tarfile.TarInfo(name)
    entry.size = size
    tar.addfile(entry, file)
