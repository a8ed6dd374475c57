"""From planned items to decoded ones: fetch, confirm what it is, decode."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, BinaryIO, TypeVar

import pyarrow as pa

from operators.fetch import Fetched, Fetcher, as_failure
from operators.images import decode_animation, decode_image
from operators.looks import content_digest, look_of
from operators.signatures import HEAD_BYTES, FileType, confirm_kind
from operators.video.decode import decode_long_video, decode_video
from operators.video.formats import Allowed
from operators.video.subtitles import cues_of_file
from schemas.failure import FailureCode, ItemFailure, Stage
from schemas.item import DecodedItem, Item
from schemas.item_tables import decoded_to_table, plan_to_items
from schemas.job import MediaSpec, StorageSpec
from schemas.media import Cue, Frames, MediaKind, Part
from schemas.tables import WINDOWS_TASK

Element = TypeVar("Element")

TABLE_BYTES = 64 * 1024**2
"""A table of decoded items is given on once its pixels are this many."""

NO_MEDIA_NEEDED = Frames(MediaKind.VIDEO, b"", ())


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


class DecodeOperator:
    """An `Operator`: a table of `PLAN_SCHEMA` in, one of `DECODED_SCHEMA` out.

    Items keep their order; one whose media cannot be had carries its failure. Each is one
    row, but for a video that is cut into windows: those are a row each, and a last row
    follows them. Fetches run ahead in threads while the calling thread decodes.

    Args:
        storage: How object storage is reached.
        media: Limits and the frame sampling.
        max_image_pixels: Larger images are shrunk to this many pixels.
        max_frame_pixels: The same for each frame of a video.
        fetch_threads: Items fetched at once, and held before they are decoded.
        by_windows: The names of the tasks for which long videos are cut into windows.
    """

    def __init__(
        self,
        storage: StorageSpec,
        media: MediaSpec,
        max_image_pixels: int,
        max_frame_pixels: int,
        fetch_threads: int = 8,
        by_windows: Collection[str] = (),
    ) -> None:
        self.stats = DecodeStats()
        self._storage = storage
        self._media = media
        self._max_image_pixels = max_image_pixels
        self._max_frame_pixels = max_frame_pixels
        self._fetch_threads = fetch_threads
        self._by_windows = frozenset(by_windows)
        self._fetcher: Fetcher | None = None

    def setup(self) -> None:
        """See `Operator.setup`."""
        self._fetcher = Fetcher(self._storage, self._media, self._fetch_threads)

    def close(self) -> None:
        """See `Operator.close`."""
        if self._fetcher is not None:
            self._fetcher.close()
        self._fetcher = None

    def __call__(self, batch: pa.Table) -> pa.Table:
        """See `Operator`."""
        return decoded_to_table(list(self.decoded(plan_to_items(batch))))

    def decoded(self, items: Iterable[Item]) -> Iterator[DecodedItem]:
        """Decode items one after another; only what is asked for is held.

        Args:
            items: As planned.

        Yields:
            Each item, or its parts in order. What is given does not depend on who asks.

        Raises:
            RuntimeError: `setup` was not called.
        """
        if self._fetcher is None:
            raise RuntimeError("DecodeOperator.setup() must be called before a batch")
        for item, fetched in self._fetcher.ahead(items, self._needs_media):
            yield from self._decode_item(item, fetched)

    def _needs_media(self, item: Item) -> bool:
        return item.windows is None or self._needs_whole(item)

    def _needs_whole(self, item: Item) -> bool:
        """Whether any task wants frames from all over the video."""
        return any(t.name not in self._by_windows | {WINDOWS_TASK} for t in item.tasks)

    def _decode_item(self, item: Item, fetched: Fetched) -> Iterator[DecodedItem]:
        failure = fetched.failure
        if failure is None:
            pieces = self._timed(self._decode(item, fetched))
            while True:
                try:
                    frames, part = next(pieces)
                except StopIteration:
                    break
                except Exception as error:  # noqa: BLE001 - one item's defect must not lose all
                    failure = as_failure(error, Stage.DECODE, item)
                    break
                left_out = sorted(fetched.left_out, key=lambda left: left.index)
                digest = None
                if item.content_key is not None and part is None:
                    digest = content_digest(frames, fetched.media, left_out)
                seen = look_of(frames) if item.alike else None
                look = seen.to_bytes() if seen else None
                yield DecodedItem(item, frames, None, tuple(left_out), part, digest, look)
        self.stats.items += 1
        self.stats.failed += failure is not None
        self.stats.bytes_fetched += fetched.size
        self.stats.fetch_s += fetched.seconds
        if failure is not None:
            # Perhaps after some windows: the item fails whole, and they count for nothing.
            yield DecodedItem(item, None, failure)

    def _timed(self, elements: Iterator[Element]) -> Iterator[Element]:
        while True:
            started = time.monotonic()
            try:
                element = next(elements)
            except StopIteration:
                return
            finally:
                self.stats.decode_s += time.monotonic() - started
            yield element

    def _decode(self, item: Item, fetched: Fetched) -> Iterator[tuple[Frames, Part | None]]:
        if not self._needs_media(item):
            yield NO_MEDIA_NEEDED, None
        elif item.kind is MediaKind.VIDEO:
            yield from self._decode_video(item, fetched)
        else:
            yield self._decode_images(item, fetched), None

    def _decode_video(
        self, item: Item, fetched: Fetched
    ) -> Iterator[tuple[Frames, Part | None]]:
        video = _only(fetched.media)
        found = _confirm_kind(item.kind, video)
        limit = _TimeLimit(self._media.timeout_s)
        beside = _cues_beside(item, fetched)
        if found is not None and found.kind is MediaKind.IMAGE:
            yield self._decode_animation(video, beside, limit.check), None
            return
        how: dict[str, Any] = {
            "sampling": self._media.video,
            "max_frame_pixels": self._max_frame_pixels,
            "cues": beside,
            "check_time": limit.check,
            "allowed": Allowed(
                self._media.video_containers,
                self._media.video_codecs,
                self._media.max_decode_bytes,
            ),
            "note": fetched.in_part,
        }
        if item.windows is not None or not any(t.name in self._by_windows for t in item.tasks):
            yield decode_video(video, **how), None
            return
        for piece in decode_long_video(video, overview=self._needs_whole(item), **how):
            yield piece
            limit.restart()

    def _decode_images(self, item: Item, fetched: Fetched) -> Frames:
        limit = _TimeLimit(self._media.timeout_s)
        images = []
        for place, medium in zip(fetched.places, fetched.media, strict=True):
            try:
                _confirm_kind(item.kind, medium)
                images.append(self._decode_image(medium))
            except ItemFailure as failure:
                fetched.leave_out(item, place, failure, self._media.images)
            limit.check()
        return _only(images) if item.kind is MediaKind.IMAGE else _joined(images)

    def _decode_image(self, medium: bytes | BinaryIO) -> Frames:
        return decode_image(
            _whole(medium),
            max_pixels=self._max_image_pixels,
            max_source_pixels=self._media.max_source_pixels,
            max_decode_bytes=self._media.max_decode_bytes,
            formats=self._media.image_formats,
        )

    def _decode_animation(
        self, medium: bytes | BinaryIO, cues: tuple[Cue, ...], check: Callable[[], None]
    ) -> Frames:
        return decode_animation(
            _whole(medium),
            sampling=self._media.video,
            max_frame_pixels=self._max_frame_pixels,
            max_source_pixels=self._media.max_source_pixels,
            max_decode_bytes=self._media.max_decode_bytes,
            formats=self._media.image_formats,
            cues=cues,
            check_time=check,
        )


def in_tables(decoded: Iterable[DecodedItem], rows: int) -> Iterator[pa.Table]:
    """Pack decoded items as they come, so that few pixels are held at once.

    Args:
        decoded: In order. The same ones are packed the same way each time.
        rows: Most rows of a table; it is given on before that once it has `TABLE_BYTES`.

    Yields:
        Tables of `DECODED_SCHEMA`.
    """
    ready: list[DecodedItem] = []
    size = 0
    for one in decoded:
        ready.append(one)
        size += 0 if one.frames is None else memoryview(one.frames.pixels).nbytes
        if len(ready) >= rows or size >= TABLE_BYTES:
            yield decoded_to_table(ready)
            ready, size = [], 0
    if ready:
        yield decoded_to_table(ready)


def _cues_beside(item: Item, fetched: Fetched) -> tuple[Cue, ...]:
    """The cues of the video's subtitle file; none, and a note, if that is broken."""
    if fetched.subtitles is None or item.subtitles is None:
        return ()
    try:
        return cues_of_file(fetched.subtitles, item.subtitles.uri)
    except ItemFailure as failure:
        fetched.without_subtitles(item, failure)
        return ()


class _TimeLimit:
    """Raises DECODE_TIMEOUT once `timeout_s` has passed since the start, or the restart."""

    def __init__(self, timeout_s: float) -> None:
        self._timeout_s = timeout_s
        self.restart()

    def restart(self) -> None:
        """A window of a long video is through: the next one has all the time again."""
        self._deadline = time.monotonic() + self._timeout_s

    def check(self) -> None:
        """See the class."""
        if time.monotonic() > self._deadline:
            raise ItemFailure(
                Stage.DECODE,
                FailureCode.DECODE_TIMEOUT,
                f"decoding took longer than {self._timeout_s:g} s; raise media.timeout_s",
            )


def _confirm_kind(kind: MediaKind, medium: bytes | BinaryIO) -> FileType | None:
    """What a medium is; refuse a video named as an image, and the reverse."""
    if isinstance(medium, bytes):
        return confirm_kind(kind, medium[:HEAD_BYTES])
    medium.seek(0)
    head = medium.read(HEAD_BYTES)
    medium.seek(0)
    return confirm_kind(kind, head)


def _whole(medium: bytes | BinaryIO) -> bytes:
    return medium if isinstance(medium, bytes) else medium.read()


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
