"""What the command line's exit codes mean. Frozen: schedulers depend on them."""

from __future__ import annotations

from enum import IntEnum


class ExitCode(IntEnum):
    """Exit codes of every `tagline` command."""

    DONE = 0
    """Everything asked for is done, or there was nothing to do."""

    OVER_BUDGET = 1
    """The run ended, or was ended, with more failed items than the job allows."""

    USAGE = 2
    """Bad usage or a bad job file; the same command will fail again."""

    INFRASTRUCTURE = 3
    """Storage, Ray or the engine failed, or Tagline itself did; worth another try."""

    INTERRUPTED = 130
    """Stopped by SIGINT (Ctrl-C)."""

    TERMINATED = 143
    """Stopped by SIGTERM."""
