"""From planned items to decoded ones: fetch, confirm what it is, decode."""

from __future__ import annotations

import os
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import BinaryIO, TypeVar

import pyarrow as pa

from operators.images import decode_image
from operators.signatures import HEAD_BYTES, sniff
from operators.sources.inside import InsideReader
from operators.storage import Stores
from operators.storage.base import too_large
from operators.video.decode import decode_video
from operators.video.subtitles import MAX_FILE_BYTES as MAX_SUBTITLE_BYTES
from operators.video.subtitles import cues_of_file
from schemas.failure import FailureCode, ItemFailure, Stage, UsageError
from schemas.item import DecodedItem, Item, LeftOut, Medium, decoded_to_table, plan_to_items
from schemas.job import MediaSpec, SeveralImages, StorageSpec
from schemas.media import Cue, Frames, MediaKind

Element = TypeVar("Element")

LIMIT = "limit"
"""Code of an image that was left out because there were too many."""

SPOOL_BYTES = 32 * 1024**2
"""Larger videos are decoded from a file instead of memory."""


@dataclass
class DecodeStats:
    """What an operator has done so far.

    Attributes:
        items: Items decoded or failed.
        failed: Those of them that failed.
        bytes_fetched: Bytes of media read.
        fetch_s: Seconds spent fetching, summed over threads.
        decode_s: Seconds spent decoding.
    """

    items: int = 0
    failed: int = 0
    bytes_fetched: int = 0
    fetch_s: float = 0.0
    decode_s: float = 0.0


@dataclass
class _Fetched:
    """The media of one item: bytes, or an open file where they are many.

    A medium that was left out or could not be had is in `left_out` instead.
    """

    media: list[bytes | BinaryIO]
    places: list[int] = field(default_factory=list)
    subtitles: bytes | None = None
    left_out: list[LeftOut] = field(default_factory=list)
    size: int = 0
    seconds: float = 0.0
    failure: ItemFailure | None = None

    def close(self) -> None:
        for medium in self.media:
            if not isinstance(medium, bytes):
                medium.close()
        self.media.clear()


class DecodeOperator:
    """An `Operator`: a table of `PLAN_SCHEMA` in, one of `DECODED_SCHEMA` out.

    Rows keep their number and order; one whose media cannot be had carries its failure.
    Fetches run ahead in threads while the calling thread decodes.

    Args:
        storage: How object storage is reached.
        media: Limits and the frame sampling.
        max_image_pixels: Larger images are shrunk to this many pixels.
        max_frame_pixels: The same for each frame of a video.
        fetch_threads: Items fetched at once, and held before they are decoded.
    """

    def __init__(
        self,
        storage: StorageSpec,
        media: MediaSpec,
        max_image_pixels: int,
        max_frame_pixels: int,
        fetch_threads: int = 8,
    ) -> None:
        self.stats = DecodeStats()
        self._storage = storage
        self._media = media
        self._max_image_pixels = max_image_pixels
        self._max_frame_pixels = max_frame_pixels
        self._fetch_threads = fetch_threads
        self._stores: Stores | None = None
        self._inside: InsideReader | None = None
        self._pool: ThreadPoolExecutor | None = None

    def setup(self) -> None:
        """See `Operator.setup`."""
        self._stores = Stores(self._storage)
        self._inside = InsideReader(self._stores)
        self._pool = ThreadPoolExecutor(self._fetch_threads, thread_name_prefix="fetch")

    def close(self) -> None:
        """See `Operator.close`."""
        if self._pool is not None:
            self._pool.shutdown(wait=True, cancel_futures=True)
        if self._inside is not None:
            self._inside.close()
        self._pool = self._stores = self._inside = None

    def __call__(self, batch: pa.Table) -> pa.Table:
        """See `Operator`."""
        return pa.concat_tables(
            [decoded_to_table([]), *self.iter_batches(batch, max(1, batch.num_rows))]
        )

    def iter_batches(self, batch: pa.Table, rows_per_output: int) -> Iterator[pa.Table]:
        """Decode a batch piece by piece, so that only a piece's pixels are held at once.

        Args:
            batch: A table of `PLAN_SCHEMA`.
            rows_per_output: Rows of each table given, the last one's apart.

        Raises:
            RuntimeError: `setup` was not called.
        """
        ready: list[DecodedItem] = []
        for item, fetched in self._fetch_ahead(plan_to_items(batch)):
            ready.append(self._decode_item(item, fetched))
            if len(ready) >= rows_per_output:
                yield decoded_to_table(ready)
                ready = []
        if ready:
            yield decoded_to_table(ready)

    def _fetch_ahead(self, items: list[Item]) -> Iterator[tuple[Item, _Fetched]]:
        """The items in order with their media, `fetch_threads` of them on their way."""
        if self._pool is None:
            raise RuntimeError("DecodeOperator.setup() must be called before a batch")
        under_way: deque[tuple[Item, Future[_Fetched]]] = deque()
        abandoned = threading.Event()
        left = iter(items)
        try:
            while True:
                while len(under_way) < self._fetch_threads and (item := next(left, None)):
                    under_way.append((item, self._pool.submit(self._fetch, item, abandoned)))
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

    def _fetch(self, item: Item, abandoned: threading.Event) -> _Fetched:
        fetched = _Fetched([])
        started = time.monotonic()
        try:
            for place in self._chosen(item, fetched):
                if abandoned.is_set():
                    break
                self._fetch_one(item, place, fetched)
            if item.subtitles is not None and self._media.video.subtitles:
                self._fetch_subtitles(item, item.subtitles, fetched)
        except Exception as error:  # noqa: BLE001 - one item's defect must not lose the batch
            fetched.failure = _as_failure(error, Stage.FETCH, item)
        fetched.seconds = time.monotonic() - started
        return fetched

    def _chosen(self, item: Item, fetched: _Fetched) -> list[int]:
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

    def _fetch_one(self, item: Item, place: int, fetched: _Fetched) -> None:
        try:
            self._fetch_medium(item, item.media[place], fetched)
        except (ItemFailure, UsageError) as error:
            self._leave_out(item, place, _as_failure(error, Stage.FETCH, item), fetched)
        else:
            fetched.places.append(place)

    def _fetch_subtitles(self, item: Item, medium: Medium, fetched: _Fetched) -> None:
        """A video is worth annotating without its subtitles; the row says what it lacked."""
        assert self._stores is not None
        try:
            fetched.subtitles = self._stores.of(medium.uri).get(
                medium.uri, version=medium.version, max_bytes=MAX_SUBTITLE_BYTES
            )
        except (ItemFailure, UsageError) as error:
            failure = _as_failure(error, Stage.FETCH, item)
            fetched.left_out.append(_without_subtitles(item, failure))

    def _leave_out(
        self, item: Item, place: int, failure: ItemFailure, fetched: _Fetched
    ) -> None:
        """Note a broken image, where the job says that the item goes on without it."""
        if item.kind is not MediaKind.IMAGES or self._media.images.broken == "fail":
            raise failure
        fetched.left_out.append(LeftOut(place, str(failure.code), failure.message))
        if len(fetched.left_out) == len(item.media):
            raise failure

    def _fetch_medium(self, item: Item, medium: Medium, fetched: _Fetched) -> None:
        limit = self._media.max_file_bytes
        if medium.inside is not None:
            assert self._inside is not None
            data = self._inside.read(medium, limit)
            fetched.media.append(data)
            fetched.size += len(data)
            return
        if medium.size is not None and medium.size > limit:
            raise too_large(medium.uri, medium.size, limit)
        assert self._stores is not None
        store = self._stores.of(medium.uri)
        # A size that nobody knows may be large; asking for it would cost a request.
        large = medium.size is None or medium.size > SPOOL_BYTES
        if item.kind is MediaKind.VIDEO and large:
            file = store.open(medium.uri, version=medium.version, max_bytes=limit)
            fetched.media.append(file)
            fetched.size += file.seek(0, os.SEEK_END)
            file.seek(0)
        else:
            data = store.get(medium.uri, version=medium.version, max_bytes=limit)
            fetched.media.append(data)
            fetched.size += len(data)

    def _decode_item(self, item: Item, fetched: _Fetched) -> DecodedItem:
        failure, frames = fetched.failure, None
        started = time.monotonic()
        if failure is None:
            try:
                frames = self._decode(item, fetched)
            except Exception as error:  # noqa: BLE001 - as above
                failure = _as_failure(error, Stage.DECODE, item)
        self.stats.items += 1
        self.stats.failed += failure is not None
        self.stats.bytes_fetched += fetched.size
        self.stats.fetch_s += fetched.seconds
        self.stats.decode_s += time.monotonic() - started
        left_out = sorted(fetched.left_out, key=lambda left: left.index)
        return DecodedItem(item, frames, failure, () if failure else tuple(left_out))

    def _decode(self, item: Item, fetched: _Fetched) -> Frames:
        check_time = _time_limit(self._media.timeout_s)
        if item.kind is MediaKind.VIDEO:
            _confirm_kind(item.kind, _only(fetched.media))
            frames = decode_video(
                _only(fetched.media),
                sampling=self._media.video,
                max_frame_pixels=self._max_frame_pixels,
                check_time=check_time,
            )
            return replace(frames, cues=_cues_beside(item, fetched) or frames.cues)
        images = []
        for place, medium in zip(fetched.places, fetched.media, strict=True):
            try:
                _confirm_kind(item.kind, medium)
                images.append(self._decode_image(medium))
            except ItemFailure as failure:
                self._leave_out(item, place, failure, fetched)
            check_time()
        return _only(images) if item.kind is MediaKind.IMAGE else _joined(images)

    def _decode_image(self, medium: bytes | BinaryIO) -> Frames:
        return decode_image(
            medium if isinstance(medium, bytes) else medium.read(),
            max_pixels=self._max_image_pixels,
            max_source_pixels=self._media.max_source_pixels,
        )


def _cues_beside(item: Item, fetched: _Fetched) -> tuple[Cue, ...]:
    """The cues of the video's subtitle file; none, and a note, if that is broken."""
    if fetched.subtitles is None or item.subtitles is None:
        return ()
    try:
        return cues_of_file(fetched.subtitles, item.subtitles.uri)
    except ItemFailure as failure:
        fetched.left_out.append(_without_subtitles(item, failure))
        return ()


def _without_subtitles(item: Item, failure: ItemFailure) -> LeftOut:
    return LeftOut(len(item.media), str(failure.code), failure.message)


def chosen_places(count: int, policy: SeveralImages) -> list[int]:
    """Which of an item's `count` images the model sees, by place from 0, in order."""
    if count <= policy.max:
        return list(range(count))
    if policy.pick == "first" or policy.max == 1:
        return list(range(policy.max))
    return [round(step * (count - 1) / (policy.max - 1)) for step in range(policy.max)]


def _time_limit(timeout_s: float) -> Callable[[], None]:
    """A check that raises DECODE_TIMEOUT once `timeout_s` has passed since now."""
    deadline = time.monotonic() + timeout_s

    def check() -> None:
        if time.monotonic() > deadline:
            raise ItemFailure(
                Stage.DECODE,
                FailureCode.DECODE_TIMEOUT,
                f"decoding took longer than {timeout_s:g} s; raise media.timeout_s",
            )

    return check


def _confirm_kind(kind: MediaKind, medium: bytes | BinaryIO) -> None:
    """Refuse a video named as an image, and the reverse."""
    if isinstance(medium, bytes):
        head = medium[:HEAD_BYTES]
    else:
        medium.seek(0)
        head = medium.read(HEAD_BYTES)
        medium.seek(0)
    found = sniff(head)
    is_video = kind is MediaKind.VIDEO
    if found is not None and (found.kind is MediaKind.VIDEO) != is_video:
        raise ItemFailure(
            Stage.DECODE,
            FailureCode.NOT_MEDIA,
            f"named as {'a video' if is_video else 'an image'}, but the content is "
            f"{found.name}, {'an image' if is_video else 'a video'}; correct the file's suffix",
        )


def _only(elements: list[Element]) -> Element:
    (element,) = elements
    return element


def _joined(images: list[Frames]) -> Frames:
    """Several images as one item; the first one's source size stands for all."""
    first = images[0]
    return Frames(
        kind=MediaKind.IMAGES,
        pixels=b"".join(image.pixels for image in images),
        shapes=tuple(image.shapes[0] for image in images),
        source_width=first.source_width,
        source_height=first.source_height,
        source_format=first.source_format,
    )


def _as_failure(error: Exception, stage: Stage, item: Item) -> ItemFailure:
    """The failure that an exception stands for; UNEXPECTED if nobody foresaw it."""
    if isinstance(error, ItemFailure):
        return error
    if isinstance(error, UsageError):
        return ItemFailure(stage, FailureCode.BAD_ADDRESS, str(error))
    return ItemFailure(
        stage,
        FailureCode.UNEXPECTED,
        f"{type(error).__name__}: {error} (item {item.item_id}); this is a defect of Tagline's",
    )
