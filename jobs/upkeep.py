"""Say what a vacuum or a compaction did."""

from __future__ import annotations

from rich.console import Console
from rich.text import Text

from schemas.job import StorageSpec


def vacuum_and_tell(
    console: Console, output: str, storage: StorageSpec, keep_hours: int, *, dry_run: bool
) -> None:
    """Vacuum an output; a line for each place that had anything to remove.

    Raises:
        TaglineError: See `pipeline.upkeep.vacuum`.
    """
    from pipeline.upkeep import vacuum

    verb = "Would remove" if dry_run else "Removed"
    files = 0
    for done in vacuum(output, storage, keep_hours=keep_hours, dry_run=dry_run):
        files += done.files
        if done.files:
            megabytes = done.size / 1e6
            noun = "file" if done.files == 1 else "files"
            _say(
                console,
                f"{done.place}: {verb.lower()} {done.files:,} {noun}, {megabytes:.1f} MB",
            )
    if not files:
        _say(console, f"Nothing to remove that is older than {keep_hours} h")


def compact_and_tell(console: Console, output: str, storage: StorageSpec) -> None:
    """Compact an output; a line a table.

    Raises:
        TaglineError: See `pipeline.upkeep.compact`.
    """
    from pipeline.upkeep import compact

    for done in compact(output, storage):
        now = (
            "as it was"
            if done.files_after == done.files_before
            else f"{done.files_after:,} now"
        )
        noun = "file" if done.files_before == 1 else "files"
        _say(console, f"{done.table}: {done.files_before:,} {noun}, {now}")
    _say(console, "The old files stay until a vacuum.")


def _say(console: Console, line: str) -> None:
    console.print(Text(line), soft_wrap=True)
