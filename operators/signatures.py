"""What a file is, told from its first bytes and not from its name."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from schemas.failure import FailureCode, ItemFailure, Stage
from schemas.media import MediaKind

HEAD_BYTES = 1024
"""Bytes from the start of a file that `sniff` needs."""

ANIMATED = frozenset({"gif", "png", "webp", "avif"})
"""Images that may hold more than one frame, in time."""


@dataclass(frozen=True)
class FileType:
    """A kind of file.

    Attributes:
        name: Image format or container, in lower case.
        kind: Image or video.
        allowed: Whether Tagline decodes it.
    """

    name: str
    kind: MediaKind
    allowed: bool = True


def _image(name: str, allowed: bool = True) -> FileType:
    return FileType(name, MediaKind.IMAGE, allowed)


def _video(name: str, allowed: bool = True) -> FileType:
    return FileType(name, MediaKind.VIDEO, allowed)


_STARTS = (
    (b"\xff\xd8\xff", _image("jpeg")),
    (b"\x89PNG\r\n\x1a\n", _image("png")),
    (b"GIF87a", _image("gif")),
    (b"GIF89a", _image("gif")),
    (b"II*\x00", _image("tiff")),
    (b"MM\x00*", _image("tiff")),
    (b"II+\x00", _image("tiff")),
    (b"MM\x00+", _image("tiff")),
    (b"8BPS", _image("psd", allowed=False)),
    (b"\x00\x00\x01\x00", _image("ico", allowed=False)),
    (b"\x00\x00\x00\x0cjP  ", _image("jpeg2000", allowed=False)),
    (b"\xff\x4f\xff\x51", _image("jpeg2000", allowed=False)),
    (b"\x00\x00\x00\x0cJXL ", _image("jpegxl", allowed=False)),
    (b"\xff\x0a", _image("jpegxl", allowed=False)),
    (b"FLV\x01", _video("flv")),
    (b"OggS", _video("ogg", allowed=False)),
    (b"\x30\x26\xb2\x75\x8e\x66\xcf\x11", _video("asf")),
    (b"\x00\x00\x01\xba", _video("mpegps")),
    (b"YUV4MPEG2", _video("yuv4mpeg", allowed=False)),
)
_STILL_BRANDS = {
    **dict.fromkeys((b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx"), "heic"),
    **dict.fromkeys((b"avif", b"avis"), "avif"),
}
_EITHER_BRANDS = frozenset({b"mif1", b"msf1", b"mif2", b"miaf"})
_QUICKTIME_ATOMS = frozenset({b"moov", b"mdat", b"wide", b"free", b"skip", b"pnot"})
_BMP_HEADER_SIZES = frozenset({12, 40, 52, 56, 64, 108, 124})
_FLIC_MAGICS = frozenset({0xAF11, 0xAF12, 0xAF44})


def sniff(head: bytes) -> FileType | None:
    """Tell what a file is from its first `HEAD_BYTES` bytes; None if it is no medium."""
    for start, file_type in _STARTS:
        if head.startswith(start):
            return file_type
    for look in (_riff, _iso_media, _matroska, _transport_stream, _bmp, _flic):
        found = look(head)
        if found is not None:
            return found
    return None


def _riff(head: bytes) -> FileType | None:
    if head[:4] != b"RIFF":
        return None
    return {b"WEBP": _image("webp"), b"AVI ": _video("avi")}.get(head[8:12])


def _iso_media(head: bytes) -> FileType | None:
    atom, brand = head[4:8], head[8:12]
    if atom == b"ftyp":
        if brand in _EITHER_BRANDS:
            box = head[16 : int.from_bytes(head[:4], "big")]
            brands = {box[place : place + 4] for place in range(0, len(box), 4)}
            return _image("avif" if brands & {b"avif", b"avis"} else "heic")
        if brand in _STILL_BRANDS:
            return _image(_STILL_BRANDS[brand])
        return _video("mov" if brand == b"qt  " else "mp4")
    return _video("mov") if atom in _QUICKTIME_ATOMS else None


def _matroska(head: bytes) -> FileType | None:
    if head[:4] != b"\x1a\x45\xdf\xa3":
        return None
    return _video("webm" if b"webm" in head[:64] else "matroska")


def _transport_stream(head: bytes) -> FileType | None:
    for first, step in ((0, 188), (4, 192)):
        syncs = head[first : first + 3 * step : step]
        if syncs and set(syncs) == {0x47} and (len(syncs) > 1 or len(head) < 188):
            return _video("mpegts")
    return None


def _bmp(head: bytes) -> FileType | None:
    plausible = int.from_bytes(head[14:18], "little") in _BMP_HEADER_SIZES
    return _image("bmp") if head[:2] == b"BM" and plausible else None


def _flic(head: bytes) -> FileType | None:
    magic = int.from_bytes(head[4:6], "little")
    size = int.from_bytes(head[:4], "little")
    plausible = magic in _FLIC_MAGICS and size >= 128
    return _video("flic", allowed=False) if plausible else None


def _integer(data: bytes, order: Literal["little", "big"]) -> int:
    return int.from_bytes(data, order)


def end_is_missing(data: bytes, file_type: FileType) -> bool:
    """Whether an image file lacks the end that its format prescribes."""
    match file_type.name:
        case "jpeg":
            return b"\xff\xd9" not in data[-4096:]
        case "png":
            return b"IEND" not in data[-4096:]
        case "gif":
            return not data.rstrip(b"\x00").endswith(b";")
        case "webp":
            return _integer(data[4:8], "little") + 8 > len(data)
        case "bmp":
            return _integer(data[2:6], "little") > len(data)
        case "tiff":
            # Writers put the directory last; a cut file points behind its end.
            order: Literal["little", "big"] = "little" if data[:2] == b"II" else "big"
            return data[2:4].strip(b"\x00") == b"*" and _integer(data[4:8], order) >= len(data)
        case "avif" | "heic":
            return _last_box_is_cut(data)
    return False


def _last_box_is_cut(data: bytes) -> bool:
    place = 0
    while place + 8 <= len(data):
        size = _integer(data[place : place + 4], "big")
        if size == 1:
            size = _integer(data[place + 8 : place + 16], "big")
        if size < 8:
            return False  # Nought goes to the end of the file; others are broken.
        place += size
    return place != len(data)


def expect(head: bytes, wanted: MediaKind, formats: Iterable[str], remedy: str) -> FileType:
    """What a file is, if it is of the kind that is wanted and may be read.

    Args:
        head: Its first `HEAD_BYTES`.
        wanted: Image or video.
        formats: Names of what may be read.
        remedy: What to do with the others, such as ``convert``.

    Raises:
        ItemFailure: If it is empty, unknown, of the other kind, or not to be read.
    """
    if not head:
        raise _refused(FailureCode.EMPTY_FILE, "the file has no bytes")
    found = sniff(head)
    if found is None:
        raise _refused(
            FailureCode.NOT_MEDIA,
            f"the content is no {wanted} that Tagline knows; it begins with {head[:16]!r}",
        )
    if found.kind is not wanted:
        raise _refused(FailureCode.NOT_MEDIA, f"the content is no {wanted} but {found.name}")
    if not found.allowed:
        raise _refused(
            FailureCode.FORMAT_NOT_ALLOWED,
            f"{found.name} {wanted}s are not read; {remedy} to one of {', '.join(formats)}",
        )
    return found


def confirm_kind(kind: MediaKind, head: bytes) -> FileType | None:
    """Refuse a video named as an image, and the reverse.

    An image that may be animated passes for a video.

    Args:
        kind: What the item is, by its name or as the job says.
        head: The first `HEAD_BYTES` of its medium.

    Returns:
        What it is; None if that is unknown, and for its decoder to tell.

    Raises:
        ItemFailure: NOT_MEDIA.
    """
    found = sniff(head)
    is_video = kind is MediaKind.VIDEO
    if (
        found is not None
        and (found.kind is MediaKind.VIDEO) != is_video
        and not (is_video and found.name in ANIMATED)
    ):
        raise _refused(
            FailureCode.NOT_MEDIA,
            f"named as {'a video' if is_video else 'an image'}, but the content is "
            f"{found.name}, {'an image' if is_video else 'a video'}; correct the file's suffix",
        )
    return found


def _refused(code: FailureCode, message: str) -> ItemFailure:
    return ItemFailure(Stage.DECODE, code, message)
