"""What every source of items gives, whatever the items are listed in."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from schemas.item import Medium
from schemas.media import MediaKind

MAX_ID_BYTES = 4096
AN_ID = f"an id of 1 to {MAX_ID_BYTES} bytes of UTF-8, none of them zero,"


def is_id(text: str) -> bool:
    """Whether a text can be an item's id, see `AN_ID`: tables keep it, and keys hold it."""
    try:
        return 0 < len(text.encode()) <= MAX_ID_BYTES and "\0" not in text
    except UnicodeEncodeError:  # Half a surrogate pair.
        return False


@dataclass(frozen=True)
class ListedItem:
    """An item as found, before tasks are planned for it.

    Attributes:
        item_id: The file's URI, its absolute path, or the id that the input gives it.
        kind: By its suffix; confirmed from the content at decode.
        item_version: Changes when the file does.
        media: Its files.
        context: What came with it and prompts may show, by column.
        carried: What came with it and goes to the output's rows, as a JSON object.
        subtitles: A video's subtitles, if they are in a file of their own.
    """

    item_id: str
    kind: MediaKind
    item_version: str
    media: tuple[Medium, ...]
    context: Mapping[str, Any] = field(default_factory=dict)
    carried: str | None = None
    subtitles: Medium | None = None


@dataclass
class SkippedFiles:
    """How many files were passed over, and why. Complete when the listing is exhausted.

    Attributes:
        not_media: Their suffix is none that Tagline takes.
        excluded: The include and exclude patterns leave them out.
        hidden: A dot file, or in a folder that is hidden or a table's own.
        repeated: An earlier URI of the same input has them already.
    """

    not_media: int = 0
    excluded: int = 0
    hidden: int = 0
    repeated: int = 0


class Source(Protocol):
    """Streams the items of an input; asked once, from the first to the last.

    Raises `UsageError` when the input is not as the job says, and `StorageError` when it
    cannot be reached.
    """

    @property
    def skipped(self) -> SkippedFiles:
        """What was passed over; complete when the items are exhausted."""

    def __iter__(self) -> Iterator[ListedItem]:
        """The items."""

    def __next__(self) -> ListedItem:
        """The next item."""
