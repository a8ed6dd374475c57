"""What is mutated: a file of every format, container and codec, each made by code."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from fractions import Fraction

import av
import numpy as np
from PIL import Image

from operators import images
from operators.signatures import sniff
from schemas.media import MediaKind
from tests.media import clips, hostile_pictures, odd_clips, patches, pictures, profiles, streams
from tests.media.clips import Clip

FRAMES, GOP = 16, 6
"""Of a clip: enough for three keyframes, and few to decode."""

_PLAIN = {"fflags": "+bitexact"}
"""For the muxer: no random numbers in a file."""

_MPEG = {"b": "2000000"}
_INTERLACED = {"b": "2000000", "flags": "+ildct+ilme"}
_DNXHR = {"profile": "dnxhr_lb"}
_SMALL = (176, 144)  # H.263 knows few sizes.

MORE_CLIPS = {
    "h264 turned mov": Clip("mov", options=clips.X264_B_FRAMES, rotation=90, flip=True),
    "h264 flv": Clip("flv", options=clips.X264_B_FRAMES),
    "flv1 flv": Clip("flv", "flv", _MPEG),
    "mpeg2 mpegps": Clip("vob", "mpeg2video", _MPEG),
    "mpeg2 interlaced": Clip("mpegts", "mpeg2video", _INTERLACED),
    "wmv1 asf": Clip("asf", "wmv1", _MPEG),
    "wmv2 asf": Clip("asf", "wmv2", _MPEG),
    "msmpeg4 avi": Clip("avi", "msmpeg4", _MPEG),
    "h263 mov": Clip("mov", "h263", _MPEG, size=_SMALL),
    "ffv1 mkv": Clip("matroska", "ffv1"),
    "png mov": Clip("mov", "png", pix_fmt="rgb24"),
    "qtrle mov": Clip("mov", "qtrle", pix_fmt="rgb24"),
    "dnxhd mov": Clip("mov", "dnxhd", _DNXHR, pix_fmt="yuv422p", size=(256, 128)),
}
"""Containers and codecs that the other tests have no clip of."""


_WORDS_HEADER = b"""[Script Info]
ScriptType: v4.00+
[V4+ Styles]
Format: Name, Fontname, Fontsize
Style: Default,Arial,16
[Events]
Format: Layer, Start, End, Style, Name, MarginL, MarginR, MarginV, Effect, Text
"""


@dataclass(frozen=True)
class Seed:
    """A file that can be decoded, or is refused for a good reason.

    Attributes:
        name: In words.
        form: What it is, as `operators.signatures` has it.
        kind: Image or video.
        data: Its bytes.
    """

    name: str
    form: str
    kind: MediaKind
    data: bytes


def corpus() -> list[Seed]:
    """All seeds, always in one order and of the same bytes."""
    assert images  # It teaches Pillow HEIC.
    seeds = []
    for name, data in [*_stills(), *_deep_and_odd(), *_animations(), *_clips(), *_streams()]:
        found = sniff(data)
        assert found is not None, name
        seeds.append(Seed(name, found.name, found.kind, data))
    return seeds


def _picture() -> Image.Image:
    """Quarters with a slope and grain over them, so that coders have something to code."""
    flat = np.asarray(pictures.quadrants(72, 56), np.int16)
    rows, columns = np.mgrid[:56, :72]
    grain = (rows * 37 + columns * 91) % 23 - rows - columns
    return Image.fromarray(np.clip(flat + grain[:, :, None], 0, 255).astype(np.uint8))


def _stills() -> Iterator[tuple[str, bytes]]:
    picture = _picture()
    see_through = picture.copy()
    see_through.putalpha(picture.convert("L"))
    wide = profiles.rgb_profile(profiles.WIDE_P3)
    for name, form, options in (
        ("jpeg", "JPEG", {}),
        ("jpeg progressive", "JPEG", {"progressive": True, "icc_profile": wide}),
        ("jpeg 4:4:4", "JPEG", {"subsampling": 0, "restart_marker_rows": 1}),
        ("png", "PNG", {"icc_profile": wide}),
        ("webp", "WEBP", {}),
        ("webp lossless", "WEBP", {"lossless": True, "icc_profile": wide}),
        ("avif", "AVIF", {"icc_profile": wide}),
        ("heic", "HEIF", {"icc_profile": wide}),
        ("gif", "GIF", {}),
        ("bmp", "BMP", {}),
        ("tiff", "TIFF", {}),
        *((f"tiff {c}", "TIFF", {"compression": c}) for c in ("tiff_lzw", "packbits")),
        *((f"tiff {c}", "TIFF", {"compression": c}) for c in ("tiff_deflate", "jpeg")),
        ("tiff big", "TIFF", {"big_tiff": True}),
    ):
        yield name, pictures.encoded(picture, form, **options)
    for form in ("PNG", "WEBP", "AVIF", "HEIF", "TIFF", "GIF"):
        yield f"{form} see-through", pictures.encoded(see_through, form)
    for form, mode in (
        *((form, "L") for form in ("JPEG", "PNG", "AVIF", "HEIF", "TIFF", "BMP")),
        *((form, "1") for form in ("PNG", "TIFF", "BMP")),
        *((form, "P") for form in ("PNG", "TIFF", "BMP")),
        *((form, "CMYK") for form in ("JPEG", "TIFF")),
        ("PNG", "LA"),
    ):
        yield f"{form} {mode}", pictures.encoded(picture.convert(mode), form)
    yield "tiff group4", pictures.encoded(picture.convert("1"), "TIFF", compression="group4")


def _deep_and_odd() -> Iterator[tuple[str, bytes]]:
    for form in ("JPEG", "PNG", "TIFF", "WEBP", "HEIF"):
        yield f"{form} oriented", pictures.oriented(6, form)
    yield "avif turned twice", pictures.avif_turned_twice()
    yield "jpeg arithmetic", pictures.ARITHMETIC_JPEG
    yield "jpeg ycck", pictures.ycck_jpeg()
    yield "png 16 bit", pictures.deep_png(np.arange(20 * 16 * 3).reshape(20, 16, 3) * 60)
    yield "png grey with key", pictures.grey_with_key()
    slope = np.arange(40 * 30).reshape(40, 30)
    yield "tiff 16 bit", pictures.encoded(Image.fromarray(slope.astype(np.uint16)), "TIFF")
    yield "tiff float", pictures.encoded(Image.fromarray(slope.astype(np.float32)), "TIFF")
    lab = pictures.in_lab(_picture())
    lab.info.pop("icc_profile", None)  # It tells the time.
    yield "tiff lab", pictures.encoded(lab, "TIFF")
    yield "tiff tiled", hostile_pictures.tiff_with_giant_tile(32)
    yield "tiff of pages", hostile_pictures.tiff({}, directories=3)
    yield "png with text", hostile_pictures.png_with_chunk(b"tEXt", b"Comment\x00" + b"a" * 99)


def _animations() -> Iterator[tuple[str, bytes]]:
    for form in ("GIF", "PNG", "WEBP", "AVIF"):
        yield f"{form} film", _timeless(pictures.film(form))
        yield f"{form} sticker", _timeless(pictures.sticker(form))
    yield "png film with default", pictures.apng_with_default()
    yield "gif of 40", hostile_pictures.gif_of_frames(40)
    yield "apng of 20", hostile_pictures.apng_of_frames(20)
    yield "webp of 20", hostile_pictures.webp_of_frames(20)


def _timeless(data: bytes) -> bytes:
    """A file without the moment at which libavif made it."""
    timeless = bytearray(data)
    for header in re.finditer(b"mvhd|tkhd|mdhd", data):
        at = header.end()
        timeless[at + 4 : at + 20] = bytes(16)
    return bytes(timeless)


def _clips() -> Iterator[tuple[str, bytes]]:
    for name, clip in {**clips.CLIPS, **odd_clips.ODD, **MORE_CLIPS}.items():
        short = replace(
            clip,
            frames=min(FRAMES, clip.frames),
            pts=clip.pts[:FRAMES],
            gop=min(GOP, clip.gop),
            muxer={**clip.muxer, **_PLAIN},
        )
        yield name, clips.make(short)


def _streams() -> Iterator[tuple[str, bytes]]:
    videos = [streams.Video(0), streams.Video(50, scale=2, default=True)]
    yield "two videos and sound", streams.with_videos("mp4", videos, sound=True)
    yield "timecode", streams.with_videos("mov", videos[:1], timecode=True)
    yield "cover", streams.with_cover("mp4")
    yield "sound alone", clips.audio_only()
    yield "no frames", clips.without_frames()
    yield "packed avi", odd_clips.packed_avi(FRAMES)
    for name, colours in (("pq", patches.as_pq), ("hlg", patches.as_hlg)):
        coding = patches.Coding(
            matrix=9,
            transfer={"pq": 16, "hlg": 18}[name],
            primaries=9,
            pix_fmt="yuv420p10le",
            codec="libx265",
            options=patches.X265_LOSSLESS,
        )
        yield f"hevc {name}", patches.video_of(colours(patches.COLOURS), coding)
    for container, codec in (("matroska", "subrip"), ("mp4", "mov_text")):
        yield f"{container} with words", _with_words(container, codec)


def _with_words(container: str, codec: str) -> bytes:
    """A video of half a second during which one thing is said."""
    file = io.BytesIO()
    words = b"Hello <i>there</i>"
    if codec == "mov_text":
        words = len(words).to_bytes(2, "big") + words
    source = clips.make(Clip(options=clips.X264_B_FRAMES, frames=FRAMES))
    with (
        av.open(io.BytesIO(source)) as video,
        av.open(file, "w", format=container, options=_PLAIN) as output,
    ):
        frames = output.add_stream_from_template(video.streams.video[0])
        said = output.add_stream(codec)
        said.codec_context.subtitle_header = _WORDS_HEADER
        said.time_base = Fraction(1, 1000)
        output.start_encoding()
        packet = av.Packet(words)
        packet.stream, packet.pts, packet.dts, packet.duration = said, 0, 0, 300
        packet.time_base = Fraction(1, 1000)
        output.mux(packet)
        for packet in video.demux(video.streams.video[0]):
            if packet.size:
                packet.stream = frames
                output.mux(packet)
    return file.getvalue()
