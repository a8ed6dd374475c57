"""From exceptions to a message for the user and an exit code."""

from __future__ import annotations

import traceback
from collections.abc import Iterator
from contextlib import contextmanager

import typer
from rich.text import Text

from jobs.exit_codes import ExitCode
from jobs.terminal import printable, standard_error
from schemas.failure import TaglineError, UsageError


@contextmanager
def reported(*, debug: bool) -> Iterator[None]:
    """Turn whatever goes wrong inside into a message on standard error and an exit code.

    Args:
        debug: Show tracebacks.

    Raises:
        typer.Exit: With the code.
    """
    try:
        yield
    except (typer.Exit, typer.Abort):
        raise
    except KeyboardInterrupt:
        raise typer.Exit(ExitCode.INTERRUPTED) from None
    except Exception as error:  # noqa: BLE001 - the last boundary before the user
        if debug:
            traceback.print_exc()
        standard_error().print(Text(printable(message_of(error))), soft_wrap=True)
        raise typer.Exit(exit_code_of(error)) from None


@contextmanager
def logged() -> Iterator[None]:
    """Write the traceback of whatever goes wrong inside to standard error, and pass it on."""
    try:
        yield
    except Exception:
        traceback.print_exc()
        raise


def exit_code_of(error: Exception) -> ExitCode:
    """The exit code that an error ends the program with."""
    return ExitCode.USAGE if isinstance(error, UsageError) else ExitCode.INFRASTRUCTURE


def message_of(error: Exception) -> str:
    """What the user is told."""
    if isinstance(error, UsageError):
        return f"Error: {error}"
    if isinstance(error, TaglineError):
        return f"Error: {error}\nThe same command may work later."
    return (
        f"Error: {type(error).__name__}: {error}\n"
        "This is a defect of Tagline's; run again with --debug and report what it prints."
    )
