"""Where the parts of a long video meet again, whatever worker each was given to."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

from schemas.media import Part


class Assembly(Protocol):
    """Collects what became of an item's parts; shared by all workers."""

    def post(self, item_id: str, part: Part, outcome: str) -> list[str] | None:
        """Hand in the outcome of a part.

        The part that completes its item gets the outcomes of all, and so it does again if
        it is handed in once more, because its worker died before it could use them. A part
        handed in twice counts once; the later outcome stands.

        Args:
            item_id: Whose part.
            part: Which one.
            outcome: What became of it, as text.

        Returns:
            The outcomes in the order of their parts; None if this part does not complete
            the item.
        """


@dataclass
class _Parts:
    outcomes: dict[int, str] = field(default_factory=dict)
    count: int | None = None
    completed_by: int | None = None


class LocalAssembly:
    """An `Assembly` in this process. Used by one thread at a time."""

    def __init__(self) -> None:
        self._items: dict[str, _Parts] = {}

    def __len__(self) -> int:
        """How many items it holds."""
        return len(self._items)

    def post(self, item_id: str, part: Part, outcome: str) -> list[str] | None:
        """See `Assembly.post`."""
        parts = self._items.setdefault(item_id, _Parts())
        parts.outcomes[part.number] = outcome
        if part.count is not None:
            parts.count = part.count
        if parts.completed_by is None and len(parts.outcomes) == parts.count:
            parts.completed_by = part.number
        if parts.completed_by != part.number:
            return None
        return [outcome for _, outcome in sorted(parts.outcomes.items())]

    def forget(self, item_id: str) -> None:
        """Let go of an item whose rows have arrived."""
        self._items.pop(item_id, None)
