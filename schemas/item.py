"""An item on its way: as it was planned, and with its pixels."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from schemas.failure import ItemFailure
from schemas.media import Frames, MediaKind, Part


@dataclass(frozen=True)
class Medium:
    """One file of an item.

    Attributes:
        uri: ``s3://bucket/key`` (the key as it is, not percent-encoded) or an absolute path.
        size: Bytes, as listed.
        version: What changes when the content changes: the ETag, or the modification time.
        inside: Where in the file the medium's bytes are, if they are not all of it; see
            `operators.sources.inside`.
    """

    uri: str
    size: int | None
    version: str | None
    inside: str | None = None


@dataclass(frozen=True)
class Elder:
    """An item with an answer of an earlier run, which another may take.

    Attributes:
        item_id: The item.
        digest: Of its content; whose content has the same may take its answer.
    """

    item_id: str
    digest: str


@dataclass(frozen=True)
class PendingTask:
    """A task that this run owes an item.

    Attributes:
        name: The task's name in the job.
        fingerprint: What the new row will carry.
        replaces: Whether the output holds an older row of this item and task.
        attempt: 1 for the first run that tries, then counting up.
        failed_before: Whether the output holds a failure row of this item and task.
        elders: Items whose answers to the same question the output holds, and that may show
            the same.
    """

    name: str
    fingerprint: str
    replaces: bool = False
    attempt: int = 1
    failed_before: bool = False
    elders: tuple[Elder, ...] = ()


@dataclass(frozen=True)
class Item:
    """One row of the plan.

    Attributes:
        item_id: Unique in the input.
        kind: What it is made of.
        item_version: Changes when its media or context do.
        media: Its files, in order.
        tasks: What this run owes it.
        context: What came with it and prompts may show, by column.
        carried: What came with it and goes to the output's rows, as a JSON object.
        subtitles: A video's subtitles, if they are in a file of their own.
        windows: What the output holds of its windows, as a JSON object, if that is current.
        content_key: What it has in common with all items that may show the very same, of
            this run and of others; None if nobody is to look for them.
        twin: What it has in common with other items of the plan that may show the very same;
            None if there are none.
        alike: What it has in common with other pictures of the plan whose answer it may take
            if they look alike; None if there are none.
    """

    item_id: str
    kind: MediaKind
    item_version: str
    media: tuple[Medium, ...]
    tasks: tuple[PendingTask, ...]
    context: Mapping[str, Any] = field(default_factory=dict)
    carried: str | None = None
    subtitles: Medium | None = None
    windows: str | None = None
    content_key: int | None = None
    twin: str | None = None
    alike: str | None = None


@dataclass(frozen=True)
class LeftOut:
    """One of an item's files that the model does not see, and why.

    Of a damaged video that is used all the same it is a part of the file.

    Attributes:
        index: Its place among the item's media, from 0; subtitles come after them.
        code: ``limit``, or the code of the failure that it met.
        message: In words.
    """

    index: int
    code: str
    message: str


@dataclass(frozen=True)
class DecodedItem:
    """An item with its pixels, or with the reason why it has none.

    Attributes:
        item: As planned.
        frames: Its pixels; None if it failed.
        failure: Why it failed, if it did.
        left_out: Images that are not among its frames although the item did not fail.
        part: Which of its rows this is, if it is a video that was cut into windows.
        digest: Of the content of an item that has a `content_key`; None for all others, and
            for parts of videos.
        look: Of a picture that others may look like, see `operators.looks`; None otherwise.
    """

    item: Item
    frames: Frames | None
    failure: ItemFailure | None
    left_out: tuple[LeftOut, ...] = ()
    part: Part | None = None
    digest: str | None = None
    look: bytes | None = None

    @property
    def places(self) -> tuple[int, ...]:
        """The media that became frames, by place from 0; empty if none was left out."""
        media = range(len(self.item.media))
        gone = {left.index for left in self.left_out} & set(media)
        return tuple(i for i in media if i not in gone) if gone else ()
