"""Items from folders, prefixes and single files: one file, one item."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator

from operators.sources.base import ListedItem, SkippedFiles
from operators.sources.globs import compile_glob, matches_any
from operators.sources.subtitles import is_subtitles, paired
from operators.storage import ObjectInfo, Stores
from schemas.failure import UsageError
from schemas.fingerprint import digest
from schemas.inputs import InputSpec
from schemas.item import Medium
from schemas.job import StorageSpec
from schemas.media import MediaKind, kind_from_name

INTERNAL_FOLDERS = frozenset({"_delta_log", "_tagline"})


def normalise_uri(uri: str) -> str:
    """A URI as item ids begin with it: local paths are absolute, without a closing slash."""
    return uri if "://" in uri else os.path.abspath(uri)


def is_hidden(key: str) -> bool:
    """Whether a path below a URI is hidden or lies in a table's own folders."""
    segments = key.split("/")
    return any(segment.startswith(".") for segment in segments) or any(
        folder in INTERNAL_FOLDERS for folder in segments[:-1]
    )


class Listing(Iterator[ListedItem]):
    """Streams the items of an input and counts the files that it skips.

    Overlapping URIs give each file once. Nothing is remembered for that: a file is a
    repetition exactly if an earlier URI contains it and the patterns, taken relative to
    that URI, let it pass.

    Attributes:
        skipped: The files that were passed over.
    """

    def __init__(self, spec: InputSpec, storage: StorageSpec) -> None:
        _check_patterns(spec)
        self.skipped = SkippedFiles()
        self._spec = spec
        self._bases = [normalise_uri(uri) for uri in spec.uris]
        self._stores = Stores(storage)
        self._items = self._stream()

    def __next__(self) -> ListedItem:
        return next(self._items)

    def _stream(self) -> Iterator[ListedItem]:
        for number, uri in enumerate(self._spec.uris):
            for info, kind, subtitles in paired(self._taken(number, uri)):
                yield _as_item(info, kind, subtitles)

    def _taken(self, number: int, uri: str) -> Iterator[tuple[ObjectInfo, MediaKind | None]]:
        """Images and videos with their kind; subtitles, which have none."""
        for info in self._stores.of(uri).list(uri):
            if is_subtitles(info.uri) and not self._is_left_out(info.key):
                yield info, None
                continue
            kind = self._judge(number, info)
            if kind is not None:
                yield info, kind

    def _is_left_out(self, key: str) -> bool:
        return is_hidden(key) or matches_any(key, self._spec.exclude)

    def _judge(self, number: int, info: ObjectInfo) -> MediaKind | None:
        """The kind of a file that is taken; None, counted, for one that is not."""
        kind = kind_from_name(info.key, MediaKind(self._spec.animated))
        if is_hidden(info.key):
            self.skipped.hidden += 1
        elif kind is None:
            self.skipped.not_media += 1
        elif not self._passes(info.key):
            self.skipped.excluded += 1
        elif any(self._yields(base, info.uri) for base in self._bases[:number]):
            self.skipped.repeated += 1
        else:
            return kind
        return None

    def _passes(self, key: str) -> bool:
        included = not self._spec.include or matches_any(key, self._spec.include)
        return included and not matches_any(key, self._spec.exclude)

    def _yields(self, base: str, uri: str) -> bool:
        folder = base if base.endswith("/") else base + "/"
        if uri == base:
            key = uri.rpartition("/")[2]
        elif uri.startswith(folder):
            key = uri[len(folder) :]
        else:
            return False
        return not is_hidden(key) and self._passes(key)


def _check_patterns(spec: InputSpec) -> None:
    for pattern in (*spec.include, *spec.exclude):
        try:
            compile_glob(pattern)
        except re.error as error:
            raise UsageError(
                f"input: the pattern {pattern!r} is no glob ({error}); "
                "use *, ?, [a-z] and ** between slashes"
            ) from error


def check_name(uri: str) -> None:
    """Refuse a file whose name cannot be part of an item's id."""
    try:
        uri.encode()
    except UnicodeEncodeError as error:
        raise UsageError(
            f"the file name {uri!r} is not valid UTF-8 and cannot be an item's id; "
            "rename the file or leave it out with input.exclude"
        ) from error


def _as_item(info: ObjectInfo, kind: MediaKind, beside: ObjectInfo | None) -> ListedItem:
    check_name(info.uri)
    medium = Medium(uri=info.uri, size=info.size, version=info.version)
    if beside is None:
        return ListedItem(info.uri, kind, info.version, (medium,))
    subtitles = Medium(uri=beside.uri, size=beside.size, version=beside.version)
    version = digest({"video": info.version, "subtitles": [beside.uri, beside.version]})
    return ListedItem(info.uri, kind, version, (medium,), subtitles=subtitles)


def list_items(spec: InputSpec, storage: StorageSpec) -> Listing:
    """Stream the items of an input; ``.skipped`` of the result counts what is left out.

    Args:
        spec: URIs and patterns. Patterns apply to the path below each URI.
        storage: How object storage is reached.

    Returns:
        An iterator. Nothing is listed before its first item is asked for.

    Raises:
        UsageError: A pattern is broken; while iterating: a URI does not exist, may not be
            read, or holds a name that is not UTF-8.
        StorageError: While iterating: the store stayed out of reach.
    """
    return Listing(spec, storage)
