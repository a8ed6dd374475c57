"""The media of planned items, fetched ahead of decoding."""

from __future__ import annotations

import os
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import BinaryIO

from operators.sources.inside import InsideReader
from operators.storage import Stores
from operators.storage.base import too_large
from operators.storage.ranged import RangedFile
from operators.video.ranges import fetch_index
from operators.video.subtitles import MAX_FILE_BYTES as MAX_SUBTITLE_BYTES
from schemas.failure import FailureCode, ItemFailure, Stage, UsageError, exception_digest
from schemas.item import Item, LeftOut, Medium
from schemas.job import MediaSpec, SeveralImages, StorageSpec
from schemas.media import MediaKind

LIMIT = "limit"
"""Code of an image that was left out because there were too many."""

WHOLE_BYTES = 16 * 1024**2
"""Larger videos are not fetched whole, but what is needed of them while they are decoded."""


@dataclass
class Fetched:
    """The media of one item.

    A medium that was left out or could not be had is in `left_out` instead.

    Attributes:
        media: Bytes, or an open file where they are many.
        places: The place of each among the item's media.
        subtitles: The bytes of a video's subtitle file.
        left_out: What is not there, and why.
        seconds: How long that took.
        failure: Why the item cannot be decoded, if so.
    """

    media: list[bytes | BinaryIO]
    places: list[int] = field(default_factory=list)
    subtitles: bytes | None = None
    left_out: list[LeftOut] = field(default_factory=list)
    seconds: float = 0.0
    failure: ItemFailure | None = None

    @property
    def size(self) -> int:
        """Bytes that were fetched, so far."""
        return sum(_fetched_of(medium) for medium in self.media)

    def close(self) -> None:
        """Let go of the media."""
        for medium in self.media:
            if not isinstance(medium, bytes):
                medium.close()
        self.media.clear()

    def leave_out(
        self, item: Item, place: int, failure: ItemFailure, policy: SeveralImages
    ) -> None:
        """Note a broken image, where the job says that the item goes on without it.

        Raises:
            ItemFailure: The failure, where it does not, or no image is left.
        """
        if item.kind is not MediaKind.IMAGES or policy.broken == "fail":
            raise failure
        self.left_out.append(LeftOut(place, str(failure.code), failure.message))
        if len(self.left_out) == len(item.media):
            raise failure

    def in_part(self, failure: ItemFailure) -> None:
        """Note that a damaged video is annotated by what there is of it."""
        self.left_out.append(LeftOut(0, str(failure.code), failure.message))

    def without_subtitles(self, item: Item, failure: ItemFailure) -> None:
        """Note that a video is annotated without its subtitle file."""
        self.left_out.append(LeftOut(len(item.media), str(failure.code), failure.message))


def _fetched_of(medium: bytes | BinaryIO) -> int:
    if isinstance(medium, RangedFile):
        return medium.fetched
    return len(medium) if isinstance(medium, bytes) else os.fstat(medium.fileno()).st_size


class Fetcher:
    """Fetches in threads.

    Args:
        storage: How object storage is reached.
        media: Limits.
        threads: Items fetched at once, and held before they are decoded.
    """

    def __init__(self, storage: StorageSpec, media: MediaSpec, threads: int) -> None:
        self._media = media
        self._threads = threads
        self._stores = Stores(storage)
        self._inside = InsideReader(self._stores)
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="fetch")

    def close(self) -> None:
        """End the threads."""
        self._pool.shutdown(wait=True, cancel_futures=True)
        self._inside.close()

    def ahead(
        self, items: Iterable[Item], is_needed: Callable[[Item], bool]
    ) -> Iterator[tuple[Item, Fetched]]:
        """The items in order with their media, several of them on their way.

        Args:
            items: What to fetch.
            is_needed: Whether an item's media are; without them it comes with none.

        Yields:
            Each item with its media, which are closed when the next one is asked for.
        """
        under_way: deque[tuple[Item, Future[Fetched]]] = deque()
        abandoned = threading.Event()
        left = iter(items)
        try:
            while True:
                while len(under_way) < self._threads and (item := next(left, None)):
                    fetch = self._fetch if is_needed(item) else _nothing
                    under_way.append((item, self._pool.submit(fetch, item, abandoned)))
                if not under_way:
                    return
                item, future = under_way.popleft()
                fetched = future.result()
                try:
                    yield item, fetched
                finally:
                    fetched.close()
        finally:
            # The consumer may stop in mid-batch: leave no open files behind.
            abandoned.set()
            for _, future in under_way:
                if not future.cancel():
                    future.result().close()

    def _fetch(self, item: Item, abandoned: threading.Event) -> Fetched:
        fetched = Fetched([])
        started = time.monotonic()
        try:
            for place in self._chosen(item, fetched):
                if abandoned.is_set():
                    break
                self._fetch_one(item, place, fetched)
            if item.subtitles is not None and self._media.video.subtitles:
                self._fetch_subtitles(item, item.subtitles, fetched)
        except Exception as error:  # noqa: BLE001 - one item's defect must not lose the batch
            fetched.failure = as_failure(error, Stage.FETCH, item)
        fetched.seconds = time.monotonic() - started
        return fetched

    def _chosen(self, item: Item, fetched: Fetched) -> list[int]:
        """The media to fetch, by place; the others are noted as left out.

        Raises:
            ItemFailure: If the item has none.
        """
        if not item.media:
            raise ItemFailure(
                Stage.FETCH, FailureCode.NO_MEDIA, "the item has no media; its list is empty"
            )
        policy = self._media.images
        chosen = chosen_places(len(item.media), policy)
        fetched.left_out += [
            LeftOut(place, LIMIT, f"more than media.images.max = {policy.max}")
            for place in sorted(set(range(len(item.media))) - set(chosen))
        ]
        return chosen

    def _fetch_one(self, item: Item, place: int, fetched: Fetched) -> None:
        try:
            self._fetch_medium(item, item.media[place], fetched)
        except (ItemFailure, UsageError) as error:
            failure = as_failure(error, Stage.FETCH, item)
            fetched.leave_out(item, place, failure, self._media.images)
        else:
            fetched.places.append(place)

    def _fetch_subtitles(self, item: Item, medium: Medium, fetched: Fetched) -> None:
        """A video is worth annotating without its subtitles; the row says what it lacked."""
        try:
            fetched.subtitles = self._stores.of(medium.uri).get(
                medium.uri, version=medium.version, max_bytes=MAX_SUBTITLE_BYTES
            )
        except (ItemFailure, UsageError) as error:
            fetched.without_subtitles(item, as_failure(error, Stage.FETCH, item))

    def _fetch_medium(self, item: Item, medium: Medium, fetched: Fetched) -> None:
        limit = self._media.max_file_bytes
        if medium.inside is not None:
            fetched.media.append(self._inside.read(medium, limit))
            return
        if medium.size is not None and medium.size > limit:
            raise too_large(medium.uri, medium.size, limit)
        store = self._stores.of(medium.uri)
        # A size that nobody knows may be large; asking for it would cost a request.
        large = medium.size is None or medium.size > WHOLE_BYTES
        if item.kind is MediaKind.VIDEO and large:
            file = store.open(medium.uri, version=medium.version, max_bytes=limit)
            fetched.media.append(file)
            fetch_index(file)
        else:
            fetched.media.append(store.get(medium.uri, version=medium.version, max_bytes=limit))


def _nothing(item: Item, abandoned: threading.Event) -> Fetched:
    return Fetched([])


def chosen_places(count: int, policy: SeveralImages) -> list[int]:
    """Which of an item's `count` images the model sees, by place from 0, in order."""
    if count <= policy.max:
        return list(range(count))
    if policy.pick == "first" or policy.max == 1:
        return list(range(policy.max))
    return [round(step * (count - 1) / (policy.max - 1)) for step in range(policy.max)]


def as_failure(error: Exception, stage: Stage, item: Item) -> ItemFailure:
    """The failure that an exception stands for; UNEXPECTED if nobody foresaw it."""
    if isinstance(error, ItemFailure):
        return error
    if isinstance(error, UsageError):
        return ItemFailure(stage, FailureCode.BAD_ADDRESS, str(error))
    return ItemFailure(
        stage,
        FailureCode.UNEXPECTED,
        f"{type(error).__name__}: {error} (item {item.item_id}); this is a defect of Tagline's",
        exception=exception_digest(error),
    )
