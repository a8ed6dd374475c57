"""What no container may do, whoever opens it."""

from __future__ import annotations

import errno
import io
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any, BinaryIO

from operators.storage.ranged import RangedFile

_SKIPPED = b"free"
"""The name of a box that says nothing."""


def refuse_to_open(url: str, flags: int, options: dict) -> BinaryIO:
    """Files that a container refers to are never opened; PyAV's ``io_open``."""
    raise PermissionError(f"the container refers to another file: {url[:200]!r}")


def as_it_comes(file: BinaryIO, unseen: Sequence[int] = ()) -> Any:
    """A file as PyAV is to read it.

    Reads answer what is there: of a remote file no more is fetched than that. A damaged
    container can lead to before the start, or farther than any file reaches: FFmpeg is told
    that there is no way there, where the file itself would raise.

    Args:
        file: Seekable.
        unseen: Offsets of boxes that are to be skipped.
    """
    names = [offset + 4 for offset in unseen]

    def seek(offset: int, whence: int = io.SEEK_SET) -> int:
        try:
            return file.seek(offset, whence)
        except (OSError, OverflowError, ValueError):
            return -errno.EINVAL

    plain = file.read1 if isinstance(file, RangedFile) else file.read

    def read(size: int) -> bytes:
        start, data = file.tell(), plain(size)
        for name in names:
            if start - len(_SKIPPED) < name < start + len(data):
                data = _written_over(data, name - start)
        return data

    return SimpleNamespace(read=read if names else plain, seek=seek, tell=file.tell)


def _written_over(data: bytes, at: int) -> bytes:
    """With a box named anew, as far as its name is in the data."""
    name = _SKIPPED[max(0, -at) : len(data) - at]
    at = max(0, at)
    return data[:at] + name + data[at + len(name) :]
