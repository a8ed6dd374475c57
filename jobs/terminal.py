"""Keep the terminal for Tagline's own words; everything else goes to a log file."""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO


def new_log_path() -> Path:
    """A log file's path that no earlier run has used."""
    folder = Path(os.environ.get("TAGLINE_LOG_DIR") or Path(tempfile.gettempdir()) / "tagline")
    return folder / f"run-{time.strftime('%Y%m%d-%H%M%S')}-{os.getpid()}.log"


@contextmanager
def own_terminal(log_path: Path) -> Iterator[TextIO]:
    """Send the process's standard output and error to a file, at the level of descriptors.

    Ray, vLLM and native libraries write there past Python's own streams, and their child
    processes inherit it.

    Args:
        log_path: Made with its folder if it is absent; appended to.

    Yields:
        The real standard output.
    """
    log_path.parent.mkdir(parents=True, exist_ok=True)
    sys.stdout.flush()
    sys.stderr.flush()
    saved = os.dup(1), os.dup(2)
    log = os.open(log_path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    os.dup2(log, 1)
    os.dup2(log, 2)
    os.close(log)
    try:
        with os.fdopen(os.dup(saved[0]), "w", encoding="utf-8", errors="replace") as terminal:
            yield terminal
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        for descriptor, original in zip((1, 2), saved, strict=True):
            os.dup2(original, descriptor)
            os.close(original)
