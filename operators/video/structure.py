"""What a container's bytes tell before it is opened."""

from __future__ import annotations

import re
from typing import BinaryIO

from operators.signatures import FileType

_EBML_UNKNOWN = 1
_SEGMENT_ID = b"\x18\x53\x80\x67"
_HEAD_BYTES = 1 << 18
_PACKED = re.compile(rb"DivX\d+(?:b|Build)\d+p")


def is_cut_off(file: BinaryIO, size: int, file_type: FileType) -> bool:
    """Whether a file ends before its container does.

    Reads headers only. Containers without a length (transport streams, live Matroska)
    are never found to be cut.

    Args:
        file: The file, seekable; its position is changed.
        size: Its bytes.
        file_type: What it is.
    """
    match file_type.name:
        case "mp4" | "mov":
            return _boxes_end(file, size) > size
        case "matroska" | "webm":
            return _segment_end(file) > size
        case "avi":
            file.seek(4)
            return int.from_bytes(file.read(4), "little") + 8 > size
    return False


def packs_frames(file: BinaryIO, file_type: FileType) -> bool:
    """Whether an MPEG-4 video in AVI has two pictures in one packet, as DivX writes B-frames.

    Args:
        file: The file, seekable; its position is changed.
        file_type: What it is.
    """
    if file_type.name != "avi":
        return False
    file.seek(0)
    return _PACKED.search(file.read(_HEAD_BYTES)) is not None


def _boxes_end(file: BinaryIO, size: int) -> int:
    """Where the last top-level box of an ISO file ends."""
    position = 0
    while position < size:
        file.seek(position)
        header = file.read(16)
        if len(header) < 8:
            return size if not header.strip(b"\x00") else position + 8
        length = int.from_bytes(header[:4], "big")
        if length == 1:
            length = int.from_bytes(header[8:16], "big")
        if length == 0:  # To the end of the file.
            return size
        if length < 8:  # Padding or garbage after the last box.
            return size
        position += length
    return position


def _segment_end(file: BinaryIO) -> int:
    """Where a Matroska file's segment ends; 0 if it does not say."""
    file.seek(0)
    head = file.read(4096)
    start = head.find(_SEGMENT_ID)
    if start < 0 or start + 5 > len(head) or not head[start + 4]:
        return 0
    width = 9 - head[start + 4].bit_length()
    field = int.from_bytes(head[start + 4 : start + 4 + width], "big")
    length = field & ((1 << 7 * width) - 1)
    if length + _EBML_UNKNOWN == 1 << 7 * width:
        return 0
    return start + 4 + width + length
