"""What an export did."""

from __future__ import annotations

from dataclasses import dataclass, field

NAMED = 10
"""Media named in a report; the others are counted."""


@dataclass
class ExportReport:
    """What was written, and what was not.

    Attributes:
        listed: Items found in the job's input.
        written: Items written with answers.
        unanswered: Items without a row of any task; in a copy of a manifest their new columns
            are null, everywhere else they are left out.
        changed: Those of them whose rows are of an earlier version of the item.
        copied: Whether the files are copies of the manifest's, with all of its rows.
        without_text: Items left out since they have no text to go with their media.
        without_media: Items left out since none of their media could be had.
        media_left_out: Media that could not be had.
        reasons: Why, for the first of them.
        files: Addresses of what was written.
    """

    listed: int = 0
    written: int = 0
    unanswered: int = 0
    changed: int = 0
    copied: bool = False
    without_text: int = 0
    without_media: int = 0
    media_left_out: int = 0
    reasons: list[str] = field(default_factory=list)
    files: list[str] = field(default_factory=list)

    def leave_out_medium(self, reason: str) -> None:
        """Count a medium that could not be had."""
        self.media_left_out += 1
        if len(self.reasons) < NAMED:
            self.reasons.append(reason)
