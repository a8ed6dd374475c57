"""Items from tar archives of samples, as WebDataset writes them: one sample, one item."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

from operators.sources.base import AN_ID, ListedItem, SkippedFiles, is_id
from operators.sources.listing import check_name, is_hidden
from operators.sources.range_file import RangeFile
from operators.sources.tar_places import damaged_place, member_place
from operators.sources.tar_samples import Damage, Member, Sample, read_samples
from operators.storage import ObjectInfo, Stores
from schemas.failure import FailureCode, ItemFailure, StorageError, UsageError
from schemas.fingerprint import digest
from schemas.inputs import ShardsSpec
from schemas.item import Medium
from schemas.job import StorageSpec
from schemas.media import MediaKind, kind_from_name

SUFFIX = ".tar"
COMPRESSED = (".tar.gz", ".tgz", ".tar.bz2", ".tbz2", ".tar.xz", ".txz", ".tar.zst", ".tzst")


class Shards(Iterator[ListedItem]):
    """Streams the items of shards. Headers and texts are read, media are not.

    A shard that is damaged gives the items before the damage, and one more that fails when
    it is decoded and whose id is the shard's address.

    Args:
        spec: The job's shards section.
        storage: How object storage is reached.
        columns: Columns that prompts show; null where a sample lacks them.

    Attributes:
        skipped: Files that are no shards, and samples without media.
    """

    def __init__(
        self, spec: ShardsSpec, storage: StorageSpec, columns: Sequence[str] = ()
    ) -> None:
        self.skipped = SkippedFiles()
        self._spec = spec
        self._columns = tuple(columns)
        self._stores = Stores(storage)
        self._items = self._stream()

    def __next__(self) -> ListedItem:
        return next(self._items)

    def _stream(self) -> Iterator[ListedItem]:
        seen: set[str] = set()
        for uri in self._spec.uris:
            found = False
            for info in self._stores.of(uri).list(uri):
                if not self._is_shard(info):
                    continue
                found = True
                if info.uri in seen:
                    self.skipped.repeated += 1
                    continue
                seen.add(info.uri)
                yield from self._items_of(info)
            if not found:
                raise UsageError(f"input.shards: nothing at {uri} ends in {SUFFIX}")

    def _is_shard(self, info: ObjectInfo) -> bool:
        name = info.key.lower()
        if is_hidden(info.key):
            self.skipped.hidden += 1
            return False
        if name.endswith(COMPRESSED):
            raise UsageError(
                f"input.shards: {info.uri} is compressed, so its members cannot be read one "
                "by one; unpack it to an uncompressed .tar (gunzip, zstd -d), which is hardly "
                "larger since media are compressed already"
            )
        if not name.endswith(SUFFIX):
            self.skipped.not_media += 1
            return False
        check_name(info.uri)
        return True

    def _items_of(self, info: ObjectInfo) -> Iterator[ListedItem]:
        with_columns = bool(self._columns or self._spec.carry or self._spec.id)
        file = RangeFile(self._stores.of(info.uri), info)
        kind = MediaKind(self._spec.kind) if self._spec.kind else MediaKind.IMAGE
        try:
            for sample in read_samples(file, with_columns=with_columns):
                item = self._item(info, sample)
                if item is None:
                    self.skipped.not_media += 1
                    continue
                kind = item.kind
                yield item
        except Damage as damage:
            yield self._listed(info.uri, kind, [_broken(info, damage)], {})
        except ItemFailure as failure:
            raise StorageError(f"input.shards: {failure.message}") from failure

    def _item(self, info: ObjectInfo, sample: Sample) -> ListedItem | None:
        """The item of a sample; None if it has no media."""
        members = [(member, kind) for member in sample.members if (kind := self._kind(member))]
        kind = self._kind_of_sample([each for _, each in members])
        is_video = kind is MediaKind.VIDEO
        chosen = [member for member, each in members if (each is MediaKind.VIDEO) == is_video]
        if not chosen:
            return None
        default_id = f"{info.uri}/{sample.key}"
        if not is_id(default_id):
            default_id = f"{info.uri}/@{sample.members[0].offset}"
        try:
            item_id = self._id(sample, default_id)
            _check_number(kind, chosen)
        except Damage as damage:
            return self._listed(default_id, kind, [_broken(info, damage)], sample.columns)
        media = [
            Medium(info.uri, info.size, info.version, member_place(m.offset, m.size))
            for m in chosen
        ]
        return self._listed(item_id, kind, media, sample.columns)

    def _kind(self, member: Member) -> MediaKind | None:
        """What a member is by its extension; None if it is not one of the media."""
        extension, wanted = member.extension, self._spec.media
        named = kind_from_name(f"member.{extension}")
        if not wanted:
            return named
        if extension not in wanted and extension.rpartition(".")[2] not in wanted:
            return None
        only_video = self._spec.kind == MediaKind.VIDEO
        return named or (MediaKind.VIDEO if only_video else MediaKind.IMAGE)

    def _kind_of_sample(self, kinds: Sequence[MediaKind]) -> MediaKind:
        if self._spec.kind is not None:
            return MediaKind(self._spec.kind)
        if MediaKind.VIDEO in kinds:
            return MediaKind.VIDEO
        return MediaKind.IMAGES if len(kinds) > 1 else MediaKind.IMAGE

    def _id(self, sample: Sample, default: str) -> str:
        if sample.trouble is not None:
            raise sample.trouble
        name = self._spec.id
        if name is None:
            return default
        value = sample.columns.get(name)
        text = "" if value is None or isinstance(value, list | dict) else str(value)
        if not is_id(text):
            raise Damage(
                sample.members[0].offset,
                FailureCode.CORRUPT,
                f"expected {AN_ID} in field {name!r} of the "
                f"sample's .json, not {text[:80]!r}; see input.shards.id",
            )
        return text

    def _listed(
        self, item_id: str, kind: MediaKind, media: list[Medium], columns: dict[str, Any]
    ) -> ListedItem:
        context = {column: columns.get(column) for column in self._columns}
        carried = {column: columns.get(column) for column in self._spec.carry}
        version = digest(
            {"media": [[m.uri, m.inside, m.version] for m in media], "context": context}
        )
        return ListedItem(
            item_id=item_id,
            kind=kind,
            item_version=version,
            media=tuple(media),
            context=context,
            carried=json.dumps(carried, ensure_ascii=False) if carried else None,
        )


def _broken(info: ObjectInfo, damage: Damage) -> Medium:
    place = damaged_place(damage.offset, damage.code, damage.what)
    return Medium(info.uri, info.size, info.version, place)


def _check_number(kind: MediaKind, members: Sequence[Member]) -> None:
    if kind is not MediaKind.IMAGES and len(members) > 1:
        names = ", ".join(f".{member.extension}" for member in members[:8])
        raise Damage(
            members[0].offset,
            FailureCode.NOT_MEDIA,
            f"the sample has {len(members)} media ({names}) where the kind {kind} takes one; "
            "name one in input.shards.media",
        )
