"""The samples of a tar archive: consecutive members that share a name up to the first dot.

Only headers and small text members are read. Names are keys and nothing else: no file is
ever written under one.
"""

from __future__ import annotations

import json
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, BinaryIO, cast

from operators.sources.range_file import RangeFile
from schemas.failure import FailureCode

MAX_TEXT_BYTES = 1024**2
_HEADER_BYTES = 512
_CHUNK_BYTES = 64 * 1024
_TEXTS = ("json", "txt", "cls")
_MALFORMED = (tarfile.TarError, ValueError, ArithmeticError, LookupError, RecursionError)
"""What tarfile raises for headers that nobody wrote in good faith."""


@dataclass(eq=False)
class Damage(Exception):
    """An archive, or a text in it, that cannot be read.

    Attributes:
        offset: Byte at which it begins.
        code: TRUNCATED, CORRUPT or TOO_LARGE.
        what: For people.
        key: The sample that is cut by it, if one is.
    """

    offset: int
    code: FailureCode
    what: str
    key: str | None = None


@dataclass(frozen=True)
class Member:
    """A member whose content is in the archive: not a link, nor sparse.

    Attributes:
        extension: What follows the first dot of its base name, in lower case.
        offset: Of its content.
        size: Of its content.
    """

    extension: str
    offset: int
    size: int


@dataclass
class Sample:
    """Consecutive members of one key.

    Attributes:
        key: Their path up to the first dot of the base name, as valid Unicode.
        members: Those that have content.
        columns: The fields of the .json member, ``txt`` and ``cls``; empty unless asked for.
        trouble: Why the columns are not all there, if so.
    """

    key: str
    members: list[Member] = field(default_factory=list)
    columns: dict[str, Any] = field(default_factory=dict)
    trouble: Damage | None = None


def split_name(name: str) -> tuple[str, str] | None:
    r"""Key and extension of a member's name; None if it lacks one of the two.

    Bytes that are no UTF-8 stand in the key as ``\udc..`` escapes, spelled out.
    """
    folder, slash, base = name.rpartition("/")
    stem, dot, extension = base.partition(".")
    if not stem or not dot or not extension:
        return None
    key = f"{folder}{slash}{stem}".encode("utf-8", "backslashreplace").decode()
    return key, extension.lower()


def read_samples(file: RangeFile, *, with_columns: bool) -> Iterator[Sample]:
    """Stream the samples of an archive.

    Args:
        file: The archive, not compressed.
        with_columns: Whether the text members are read.

    Raises:
        Damage: When the archive cannot be read on; the samples before it have been given.
    """
    sample: Sample | None = None
    try:
        for entry in _entries(file):
            named = split_name(entry.name)
            if named is None or entry.isdir():
                continue
            key, extension = named
            if sample is None or sample.key != key:
                if sample is not None:
                    yield sample
                sample = Sample(key)
            if not entry.isreg() or entry.issparse():
                continue
            member = Member(extension, entry.offset_data, entry.size)
            sample.members.append(member)
            if with_columns and extension in _TEXTS:
                _add_columns(file, member, sample)
    except Damage as damage:
        if sample is not None and sample.key != damage.key:
            yield sample
        raise
    if sample is not None:
        yield sample


def _entries(file: RangeFile) -> Iterator[tarfile.TarInfo]:
    """The archive's headers in order, with every end but the proper one as `Damage`."""
    place = 0
    try:
        archive = tarfile.open(  # noqa: SIM115 - the file is the caller's to close
            fileobj=cast(BinaryIO, file), mode="r:", encoding="utf-8", errors="surrogateescape"
        )
    except _MALFORMED as error:
        raise _unreadable(file, place, error) from error
    while True:
        try:
            entry = archive.next()
        except _MALFORMED as error:
            raise _unreadable(file, place, error) from error
        if entry is None:
            _check_end(file, place)
            return
        # Otherwise the archive's list of members grows with the shard.
        archive.members.clear()  # type: ignore[attr-defined]
        if archive.offset <= place or entry.size < 0:
            raise Damage(place, FailureCode.CORRUPT, "a header gives a negative size")
        if entry.isreg() and entry.offset_data + entry.size > file.size:
            named = split_name(entry.name)
            raise Damage(
                place,
                FailureCode.TRUNCATED,
                "the archive ends within a member; write it anew",
                named[0] if named else None,
            )
        yield entry
        place = archive.offset


def _unreadable(file: RangeFile, place: int, error: Exception) -> Damage:
    if file.met_end:
        return _cut_off(min(place, file.size))
    return Damage(
        place,
        FailureCode.CORRUPT,
        f"no tar header can be read ({type(error).__name__}: {error}); expected an "
        "uncompressed .tar",
    )


def _cut_off(place: int) -> Damage:
    return Damage(
        place,
        FailureCode.TRUNCATED,
        "the archive is cut off before its end mark; write it anew",
    )


def _check_end(file: RangeFile, place: int) -> None:
    """Tell the end mark, a block of zeros, from a header that tarfile passes over."""
    file.seek(place)
    block = file.read(_HEADER_BYTES)
    if len(block) < _HEADER_BYTES:
        raise _cut_off(place)
    if any(block):
        raise Damage(place, FailureCode.CORRUPT, "no tar header can be read; write it anew")
    while chunk := file.read(_CHUNK_BYTES):
        place = file.tell() - len(chunk)
        if any(chunk):
            raise Damage(
                place,
                FailureCode.CORRUPT,
                "data follow the archive's end mark; join archives with tar --concatenate",
            )


def _add_columns(file: RangeFile, member: Member, sample: Sample) -> None:
    try:
        text = _text(file, member)
        if member.extension == "json":
            # A text member of its own wins over a field of the same name.
            sample.columns = _fields(text, member) | sample.columns
        elif member.extension == "cls":
            sample.columns["cls"] = _class(text.strip())
        else:
            sample.columns["txt"] = text
    except Damage as damage:
        sample.trouble = damage


def _text(file: RangeFile, member: Member) -> str:
    if member.size > MAX_TEXT_BYTES:
        raise Damage(
            member.offset,
            FailureCode.TOO_LARGE,
            f"the sample's .{member.extension} has {member.size:,} bytes, more than the "
            f"{MAX_TEXT_BYTES:,} allowed",
        )
    file.seek(member.offset)
    return file.read(member.size).decode("utf-8-sig", "replace")


def _class(text: str) -> int | str:
    short = len(text) < 19 and text.isascii()
    return int(text) if short and text.removeprefix("-").isdigit() else text


def _fields(text: str, member: Member) -> dict[str, Any]:
    try:
        # Neither NaN nor half a surrogate pair can go into the output.
        plain = json.dumps(json.loads(text), ensure_ascii=False).encode("utf-8", "replace")
        fields = json.loads(plain, parse_constant=lambda _: None)
    except (ValueError, RecursionError) as error:
        what = f"is not JSON ({error})"
    else:
        if isinstance(fields, dict):
            return fields
        what = f"holds {type(fields).__name__}, not an object"
    raise Damage(member.offset, FailureCode.CORRUPT, f"the sample's .json {what}; correct it")
