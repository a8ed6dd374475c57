"""The original bytes of an item's media."""

from __future__ import annotations

import io
import os
from dataclasses import dataclass
from typing import BinaryIO

from operators.signatures import HEAD_BYTES, sniff
from operators.sources.inside import InsideReader
from operators.storage import Stores
from operators.storage.base import too_large
from schemas.failure import FailureCode, ItemFailure, Stage, StorageError, UsageError
from schemas.item import Medium
from schemas.job import JobSpec

_SUFFIXES = {
    "jpeg": "jpg",
    "tiff": "tif",
    "jpeg2000": "jp2",
    "jpegxl": "jxl",
    "matroska": "mkv",
    "mpegts": "ts",
    "mpegps": "mpg",
    "yuv4mpeg": "y4m",
    "ogg": "ogv",
    "flic": "flc",
}
"""Of the types whose name is not their suffix."""


@dataclass(frozen=True)
class OpenMedium:
    """A medium, open at its start.

    Attributes:
        file: Its bytes; the caller closes it.
        size: How many they are.
        suffix: By its content, without a point.
    """

    file: BinaryIO
    size: int
    suffix: str


class MediaReader:
    """Opens media, whole files and such as are part of one.

    Args:
        job: Its storage and its limit on a file's bytes hold.
    """

    def __init__(self, job: JobSpec) -> None:
        self._max_bytes = job.media.max_file_bytes
        self._stores = Stores(job.storage)
        self._inside = InsideReader(self._stores)

    def open(self, medium: Medium) -> OpenMedium:
        """Open a medium as it was listed.

        Raises:
            ItemFailure: If it cannot be had.
            StorageError: If its store is out of reach.
        """
        try:
            file = self._open(medium)
        except UsageError as error:
            raise ItemFailure(Stage.FETCH, FailureCode.BAD_ADDRESS, str(error)) from error
        except ItemFailure as failure:
            if failure.code is FailureCode.STORAGE_UNAVAILABLE:
                raise StorageError(f"export: {failure.message}") from failure
            raise
        found = sniff(file.read(HEAD_BYTES))
        size = file.seek(0, os.SEEK_END)
        file.seek(0)
        if found is None:
            file.close()
            raise ItemFailure(
                Stage.DECODE,
                FailureCode.NOT_MEDIA,
                f"{medium.uri} is neither an image nor a video by its content",
            )
        return OpenMedium(file, size, _SUFFIXES.get(found.name, found.name))

    def _open(self, medium: Medium) -> BinaryIO:
        if medium.inside is not None:
            return io.BytesIO(self._inside.read(medium, self._max_bytes))
        if medium.size is not None and medium.size > self._max_bytes:
            raise too_large(medium.uri, medium.size, self._max_bytes)
        store = self._stores.of(medium.uri)
        return store.open(medium.uri, version=medium.version, max_bytes=self._max_bytes)

    def close(self) -> None:
        """Close what is open."""
        self._inside.close()
