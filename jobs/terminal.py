"""Keep the terminal for Tagline's own words; everything else goes to a log file."""

from __future__ import annotations

import os
import sys
import tempfile
import time
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from rich.console import Console

from schemas.failure import UsageError

WIDTH_OF_FILES = 200
_SHOW_CURSOR = b"\x1b[?25h\n"


class Terminal(Console):
    """A console that goes on in silence when nobody reads it any more.

    Whoever reads our output may leave early, as in ``tagline show ... | head``. That must
    neither end a run nor change an exit code.
    """

    def on_broken_pipe(self) -> None:
        """Send the rest nowhere."""
        self.quiet = True
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, self.file.fileno())
        os.close(nowhere)


def standard_output() -> Terminal:
    """A terminal has its own width; files and pipes get room for whole rows."""
    return Terminal(width=None if sys.stdout.isatty() else WIDTH_OF_FILES)


def standard_error() -> Terminal:
    """Where messages about errors go."""
    return Terminal(stderr=True)


def printable(text: str) -> str:
    """Text with its control characters written out.

    Names of files and answers of a model are strangers' text, and an escape sequence in
    them would steer the terminal.
    """
    return "".join(_written_out(character) for character in text)


def _written_out(character: str) -> str:
    if character in "\n\t" or unicodedata.category(character) not in ("Cc", "Cs"):
        return character
    return character.encode("unicode_escape").decode("ascii")


def new_log_path() -> Path:
    """A log file's path that no earlier run has used.

    It lies in ``TAGLINE_LOG_DIR``, or else in a folder for this user among the temporary
    files.
    """
    given = os.environ.get("TAGLINE_LOG_DIR")
    folder = Path(given or Path(tempfile.gettempdir()) / f"tagline-{os.getuid()}")
    return folder / f"run-{time.strftime('%Y%m%d-%H%M%S')}-{os.getpid()}.log"


def _open_log(log_path: Path) -> int:
    try:
        log_path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        return os.open(log_path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    except OSError as error:
        raise UsageError(
            f"the log file {log_path} cannot be written ({error.strerror}); give another "
            "with --log-file, or a folder in TAGLINE_LOG_DIR"
        ) from error


@contextmanager
def own_terminal(log_path: Path) -> Iterator[TextIO]:
    """Send the process's standard output and error to a file, at the level of descriptors.

    Ray, vLLM and native libraries write there past Python's own streams, and their child
    processes inherit it.

    Args:
        log_path: Made with its folder if it is absent; appended to.

    Yields:
        The real standard output.

    Raises:
        UsageError: If the file cannot be written.
    """
    log = _open_log(log_path)
    sys.stdout.flush()
    sys.stderr.flush()
    saved = os.dup(1), os.dup(2)
    os.dup2(log, 1)
    os.dup2(log, 2)
    os.close(log)
    terminal = os.fdopen(os.dup(saved[0]), "w", encoding="utf-8", errors="replace")
    try:
        yield terminal
    finally:
        _close(terminal)
        sys.stdout.flush()
        sys.stderr.flush()
        for descriptor, original in zip((1, 2), saved, strict=True):
            os.dup2(original, descriptor)
            os.close(original)


def _close(terminal: TextIO) -> None:
    try:
        terminal.close()
    except BrokenPipeError:
        # The last words have no reader either, and the descriptor is closed all the same.
        return


def leave_at_once(terminal: TextIO, code: int) -> None:
    """End the process now, from a signal handler: no clean-up, but the cursor comes back."""
    if terminal.isatty():
        os.write(terminal.fileno(), _SHOW_CURSOR)
    os._exit(code)
