"""Videos as odd as real buckets hold them; each is decoded exactly all the same."""

from __future__ import annotations

import io
from fractions import Fraction

import av

from tests.media.clips import (
    HEIGHT,
    WIDTH,
    X264_B_FRAMES,
    X264_OPEN_GOP,
    Clip,
    draw_number,
    make,
)

_X265 = "bframes=3:open-gop=1:scenecut=0:log-level=error:pools=1"
_HEVC = {"x265-params": _X265, "preset": "ultrafast"}
_MPEG = {"b": "4000000", "bf": "2"}
_FAST_VP = {"deadline": "realtime", "cpu-used": "8"}
_HIDDEN_FRAMES = {
    "deadline": "good",
    "cpu-used": "5",
    "auto-alt-ref": "1",
    "lag-in-frames": "16",
}
_AV1 = {"preset": "8", "crf": "20"}
_GRADUAL = {"x264-params": "intra-refresh=1:bframes=0", "preset": "veryfast"}

GAPS = tuple(2 * n + 40 * (n // 10) + (n % 3 == 2) for n in range(60))
"""Times with gaps of up to two seconds, and jitter."""

ODD = {
    # Codecs and their profiles.
    "h264 4:4:4": Clip(options=X264_B_FRAMES, pix_fmt="yuv444p"),
    "h264 4:2:2 10 bit": Clip(options=X264_B_FRAMES, pix_fmt="yuv422p10le"),
    "h264 rgb": Clip(codec="libx264rgb", options=X264_B_FRAMES, pix_fmt="rgb24"),
    "h264 gradual refresh": Clip(options=_GRADUAL),
    "h264 gradual refresh ts": Clip("mpegts", options=_GRADUAL),
    "hevc 10 bit": Clip(codec="libx265", options=_HEVC, frames=50, pix_fmt="yuv420p10le"),
    "hevc mkv": Clip("matroska", "libx265", _HEVC, frames=50),
    "hevc ts": Clip("mpegts", "libx265", _HEVC, frames=50),
    "vp9 hidden frames": Clip("webm", "libvpx-vp9", _HIDDEN_FRAMES),
    "vp9 hidden frames mp4": Clip("mp4", "libvpx-vp9", _HIDDEN_FRAMES),
    "vp8 hidden frames": Clip("webm", "libvpx", _HIDDEN_FRAMES),
    "av1 mkv": Clip("matroska", "libsvtav1", _AV1),
    "av1 10 bit webm": Clip("webm", "libsvtav1", _AV1, pix_fmt="yuv420p10le"),
    "mpeg2 mkv": Clip("matroska", "mpeg2video", _MPEG),
    "mpeg2 mp4": Clip("mp4", "mpeg2video", _MPEG),
    "mpeg1 ts": Clip("mpegts", "mpeg1video", _MPEG),
    "mpeg4 mp4": Clip("mp4", "mpeg4", _MPEG),
    "mpeg4 mkv": Clip("matroska", "mpeg4", _MPEG),
    "h264 avi": Clip("avi", options=X264_B_FRAMES),
    "prores 4444": Clip("mov", "prores_ks", {"profile": "4444"}, pix_fmt="yuva444p10le"),
    "prores mkv": Clip("matroska", "prores_ks", pix_fmt="yuv422p10le"),
    "mjpeg mov": Clip("mov", "mjpeg", pix_fmt="yuvj422p"),
    # Headers and times.
    "h264 live mkv": Clip("matroska", options=X264_OPEN_GOP, muxer={"live": "1"}),
    "h264 cmaf": Clip(options=X264_OPEN_GOP, muxer={"movflags": "cmaf+frag_keyframe"}),
    "h264 fragment a frame": Clip(
        options=X264_B_FRAMES, muxer={"movflags": "frag_every_frame+empty_moov"}
    ),
    "h264 negative offsets": Clip(
        options=X264_B_FRAMES, muxer={"movflags": "negative_cts_offsets"}
    ),
    "h264 m2ts": Clip("mpegts", options=X264_B_FRAMES, muxer={"mpegts_m2ts_mode": "1"}),
    "h264 ts far from zero": Clip(
        "mpegts", options=X264_OPEN_GOP, muxer={"output_ts_offset": "50000"}
    ),
    "h264 ts before zero": Clip(
        "mpegts",
        options=X264_B_FRAMES,
        muxer={"output_ts_offset": "-10", "avoid_negative_ts": "disabled"},
    ),
    # The 33 bits of its clock end after 95,443.7 s.
    "h264 ts wraps around": Clip(
        "mpegts", options=X264_OPEN_GOP, muxer={"output_ts_offset": "95442"}
    ),
    "h264 starts late": Clip(options=X264_B_FRAMES, pts=tuple(range(50, 150))),
    "h264 mkv starts late": Clip("matroska", options=X264_B_FRAMES, pts=tuple(range(50, 150))),
    "h264 gaps": Clip(options=X264_B_FRAMES, frames=60, pts=GAPS),
    "h264 gaps mkv": Clip("matroska", options=X264_OPEN_GOP, frames=60, pts=GAPS),
    "h264 gaps ts": Clip("mpegts", options=X264_OPEN_GOP, frames=60, pts=GAPS),
    "vp9 gaps": Clip("webm", "libvpx-vp9", _HIDDEN_FRAMES, frames=60, pts=GAPS),
    # Lengths.
    "h264 two frames": Clip(options=X264_B_FRAMES, frames=2),
    "h264 ts two frames": Clip("mpegts", options=X264_B_FRAMES, frames=2),
    "vp9 one frame": Clip("webm", "libvpx-vp9", _FAST_VP, frames=1),
    "mpeg4 avi one frame": Clip("avi", "mpeg4", _MPEG, frames=1),
    "h264 ts one frame": Clip("mpegts", options=X264_B_FRAMES, frames=1),
    # Sizes.
    "h264 odd size": Clip(options=X264_B_FRAMES, pix_fmt="yuv444p", size=(101, 67)),
    "hevc odd size": Clip(
        codec="libx265", options=_HEVC, frames=25, pix_fmt="yuv444p", size=(101, 67)
    ),
    "vp9 odd size": Clip("webm", "libvpx-vp9", _FAST_VP, size=(101, 67)),
    "vp8 odd size": Clip("webm", "libvpx", _FAST_VP, size=(101, 67)),
    "av1 odd size": Clip("mp4", "libsvtav1", _AV1, size=(101, 67)),
    "mpeg2 odd size": Clip("mpegts", "mpeg2video", _MPEG, size=(101, 67)),
    "mpeg4 odd size": Clip("avi", "mpeg4", _MPEG, size=(101, 67)),
    "mjpeg odd size": Clip("avi", "mjpeg", pix_fmt="yuvj420p", size=(101, 67)),
    "prores odd size": Clip("mov", "prores_ks", pix_fmt="yuv422p10le", size=(101, 67)),
}


def packed_avi(frames: int = 60) -> bytes:
    """MPEG-4 in AVI as DivX packed it: a B-frame is in the packet of the frame that it needs.

    In the place of its own packet stands a picture that repeats the one before it.
    """
    source = make(Clip("matroska", "mpeg4", {"b": "4000000", "bf": "1"}, frames=frames))
    with av.open(io.BytesIO(source)) as container:
        stream = container.streams.video[0]
        head = bytes(stream.codec_context.extradata).partition(b"\x00\x00\x01\xb2")[0]
        coded = [(bytes(p), p.is_keyframe) for p in container.demux(stream) if p.size]
    head += b"\x00\x00\x01\xb2DivX503b1393p"
    packets = [(head + coded[0][0], True)]
    number = 1
    while number < len(coded):
        data, is_keyframe = coded[number]
        if number + 1 < len(coded) and not coded[number + 1][1]:
            data += coded[number + 1][0]
        packets.append((data, is_keyframe))
        if number + 1 < len(coded) and not coded[number + 1][1]:
            packets.append((_not_coded(number + 1), False))
            number += 1
        number += 1
    return muxed(packets, "avi", "mpeg4")


def _not_coded(number: int) -> bytes:
    """A P picture of MPEG-4 of which nothing is coded."""
    bits = f"0101{number % 25:05b}100"
    bits += "1" * (-len(bits) % 8)
    return b"\x00\x00\x01\xb6" + int(bits, 2).to_bytes(len(bits) // 8, "big")


def muxed(packets: list[tuple[bytes, bool]], container: str, codec: str) -> bytes:
    """A file of packets that are coded already, 25 a second: bytes and whether a keyframe."""
    file = io.BytesIO()
    with av.open(file, "w", format=container) as output:
        stream = output.add_stream(codec, rate=25)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        output.start_encoding()
        for number, (data, is_keyframe) in enumerate(packets):
            packet = av.Packet(data)
            packet.stream, packet.is_keyframe = stream, is_keyframe
            packet.pts = packet.dts = number
            packet.time_base, packet.duration = Fraction(1, 25), 1
            output.mux(packet)
    return file.getvalue()


def of_two_sizes() -> bytes:
    """A transport stream whose pictures become smaller half-way: 50 of each size."""
    first = make(Clip("mpegts", options=X264_B_FRAMES, frames=50))
    second = make(
        Clip(
            "mpegts",
            options=X264_B_FRAMES,
            frames=50,
            size=(WIDTH // 2, HEIGHT // 2),
            # Where the first part ends, and the two frames by which that one was put off.
            muxer={"output_ts_offset": "2.08"},
        ),
        lambda number: draw_number(number + 50),
    )
    return first + second
