"""Videos whose headers claim what no file can hold. Their pictures are 100 numbered ones."""

from __future__ import annotations

import struct
import zlib

from tests.media import clips
from tests.media.boxes import (
    MEDIA,
    SAMPLES,
    TRACK,
    with_box,
    with_bytes,
    with_compressed_index,
    with_edits,
)
from tests.media.clips import CLIPS, X264_B_FRAMES, Clip

HUGE = b"\x7f\xff\xff\xff"
LARGE_SIDE = 60_000


def inflating(mebibytes: int) -> tuple[bytes, int]:
    """Noughts as zlib has them, and how many."""
    squeeze = zlib.compressobj(9)
    piece = squeeze.compress(bytes(1 << 20)) + squeeze.flush(zlib.Z_FULL_FLUSH)
    return piece[:2] + piece[2:] * mebibytes + squeeze.flush(), mebibytes << 20


def claims() -> dict[str, bytes]:
    """Each with one claim."""
    return {**_of_mp4(), **_of_indices(), **_of_matroska(), **_of_avi(), **_of_pictures()}


def _of_mp4() -> dict[str, bytes]:
    mp4 = clips.make(Clip(options=X264_B_FRAMES))
    pictures = mp4.index(b"mdat") - 4
    large = struct.pack(">I4sQ", 1, b"mdat", 1 << 60)
    forever = b"\x01\x00\x00\x00" + bytes(16)
    endless = struct.pack(">Q", (1 << 63) - 1)
    sides = struct.pack(">HH", LARGE_SIDE, LARGE_SIDE)
    shown = struct.pack(">II", LARGE_SIDE << 16, LARGE_SIDE << 16)
    depth = 1000
    nested = b"".join(struct.pack(">I4s", 8 * (depth - n), b"moov") for n in range(depth))
    return {
        "a box of 2^60 bytes": mp4[:pictures] + large + mp4[pictures + 8 :],
        "a last box of 2^60 bytes": mp4 + struct.pack(">I4sQ", 1, b"free", 1 << 60),
        "2^32 times in one": with_bytes(mp4, (*SAMPLES, b"stts"), 8, b"\xff" * 4),
        "2^32 entries of times": with_bytes(mp4, (*SAMPLES, b"stts"), 4, b"\xff" * 4),
        "2^31 samples": with_bytes(mp4, (*SAMPLES, b"stsz"), 8, HUGE),
        "2^31 samples of 2^31 bytes": with_bytes(mp4, (*SAMPLES, b"stsz"), 4, HUGE * 2),
        "a sample of 2^31 bytes": with_bytes(mp4, (*SAMPLES, b"stsz"), 12, HUGE),
        "2^31 samples in a chunk": with_bytes(mp4, (*SAMPLES, b"stsc"), 12, HUGE),
        "2^32 offsets": with_bytes(mp4, (*SAMPLES, b"ctts"), 4, b"\xff" * 4),
        "a film of 2^63 ticks": with_box(
            mp4, (b"moov", b"mvhd"), lambda b: forever + b[12:16] + endless + b[20:]
        ),
        "a track of 2^63 ticks": with_box(
            mp4, (*MEDIA, b"mdhd"), lambda b: forever + b[12:16] + endless + b[20:]
        ),
        "no ticks a second": with_bytes(mp4, (*MEDIA, b"mdhd"), 12, bytes(4)),
        "a large picture": with_bytes(mp4, (*SAMPLES, b"stsd"), 40, sides),
        "a large track": with_bytes(mp4, (*TRACK, b"tkhd"), 76, shown),
        "boxes in boxes": nested + mp4,
    }


def _of_indices() -> dict[str, bytes]:
    """What is asked of FFmpeg by few bytes of an index."""
    mp4 = clips.make(Clip(options=X264_B_FRAMES))
    many = 1_000_000
    of_a_byte = with_box(mp4, (*SAMPLES, b"stsz"), lambda _: struct.pack(">III", 0, 1, many))
    lasting = with_box(
        of_a_byte, (*SAMPLES, b"stts"), lambda _: struct.pack(">IIII", 0, 1, many, 512)
    )
    free = with_compressed_index(mp4, inflating(1000))
    place = free.index(b"moov")
    return {
        "an index that inflates to 2^30 bytes": with_compressed_index(mp4, inflating(1024)),
        "an index in free space": free[:place] + b"free" + free[place + 4 :],
        "a million samples of a byte": with_box(
            lasting, (*SAMPLES, b"stsc"), lambda _: struct.pack(">IIIII", 0, 1, 1, many, 1)
        ),
        "20,000 edits": with_edits(mp4, [(4000, 1024)] * 20_000),
    }


def _of_matroska() -> dict[str, bytes]:
    mkv = clips.make(CLIPS["h264 mkv"])
    segment, cluster = mkv.index(b"\x18\x53\x80\x67"), mkv.index(b"\x1f\x43\xb6\x75")
    block = mkv.index(b"\xa3", cluster)
    length = mkv.index(b"\x44\x89\x88") + 3
    most = b"\x01" + b"\xff" * 6 + b"\xf0"

    def lasting(milliseconds: float) -> bytes:
        return mkv[:length] + struct.pack(">d", milliseconds) + mkv[length + 8 :]

    return {
        "a segment of 2^56 bytes": mkv[: segment + 4] + most + mkv[segment + 12 :],
        "a cluster of 2^56 bytes": mkv[: cluster + 4] + most + mkv[cluster + 12 :],
        "a block of 2^28 bytes": mkv[: block + 1] + b"\x1f\xff\xff\xfe" + mkv[block + 2 :],
        "a film of 10^18 ms": lasting(1e18),
        "a film without end": lasting(float("inf")),
        "a film of no number": lasting(float("nan")),
        "a film that ends before it begins": lasting(-5000.0),
    }


def _of_avi() -> dict[str, bytes]:
    avi = clips.make(CLIPS["mjpeg avi"])
    main, stream, form = (avi.index(name) + 8 for name in (b"avih", b"strh", b"strf"))
    chunk = avi.index(b"00dc") + 4
    sides, huge = struct.pack("<II", LARGE_SIDE, LARGE_SIDE), b"\xff\xff\xff\x7f"

    def patched(place: int, new: bytes) -> bytes:
        return avi[:place] + new + avi[place + len(new) :]

    return {
        "2^31 frames": patched(main + 16, huge),
        "2^31 frames in the stream": patched(stream + 32, huge),
        "a large film": patched(main + 32, sides),
        "a large stream": patched(form + 4, sides),
        "no frames a second": patched(stream + 20, bytes(8)),
        "a frame in 68 years": patched(stream + 20, huge + b"\x01\x00\x00\x00"),
        "a chunk of 2^31 bytes": patched(chunk, huge),
    }


def _of_pictures() -> dict[str, bytes]:
    jpegs = clips.make(CLIPS["mjpeg avi"])
    vp9 = bytearray(clips.make(CLIPS["vp9 webm"]))
    sides = struct.pack(">HH", LARGE_SIDE, LARGE_SIDE)
    start = b"\xff\xc0\x00\x11\x08"
    # After VP9's sync code come three bits of colour space and one of range.
    bits = (LARGE_SIDE - 1) << 16 | (LARGE_SIDE - 1)
    place = vp9.find(b"\x49\x83\x42") + 3
    while place > 2:
        around = int.from_bytes(vp9[place : place + 5], "big")
        around = around & ~(0xFFFFFFFF << 4) | bits << 4
        vp9[place : place + 5] = around.to_bytes(5, "big")
        place = vp9.find(b"\x49\x83\x42", place) + 3
    return {
        "large JPEGs": jpegs.replace(start + b"\x00\x40\x00\x80", start + sides),
        "large VP9 pictures": bytes(vp9),
    }
