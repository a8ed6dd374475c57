"""What no container may do, whoever opens it."""

from __future__ import annotations

import errno
import io
from types import SimpleNamespace
from typing import Any, BinaryIO

from operators.storage.ranged import RangedFile


def refuse_to_open(url: str, flags: int, options: dict) -> BinaryIO:
    """Files that a container refers to are never opened; PyAV's ``io_open``."""
    raise PermissionError(f"the container refers to another file: {url[:200]!r}")


def as_it_comes(file: BinaryIO) -> Any:
    """A file as PyAV is to read it.

    Reads answer what is there: of a remote file no more is fetched than that. A damaged
    container can lead to before the start, or farther than any file reaches: FFmpeg is told
    that there is no way there, where the file itself would raise.
    """

    def seek(offset: int, whence: int = io.SEEK_SET) -> int:
        try:
            return file.seek(offset, whence)
        except (OSError, OverflowError, ValueError):
            return -errno.EINVAL

    read = file.read1 if isinstance(file, RangedFile) else file.read
    return SimpleNamespace(read=read, seek=seek, tell=file.tell)
