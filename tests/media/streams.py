"""Files with several streams."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import av
import numpy as np

from tests.media.clips import draw_number


@dataclass(frozen=True)
class Video:
    """A video stream of 50 frames.

    Attributes:
        first: The number of its first frame.
        scale: Its width is 128 times this.
        default: Whether it is marked as the one to play.
    """

    first: int
    scale: int = 1
    default: bool = False


def with_videos(
    container: str, videos: Sequence[Video], *, sound: bool = False, timecode: bool = False
) -> bytes:
    """A file of H.264 streams, 25 frames a second.

    Args:
        container: PyAV's name of the muxer.
        videos: The streams.
        sound: Whether silence comes before them.
        timecode: Whether a stream of data comes after them; in MOV.
    """
    file = io.BytesIO()
    with av.open(file, "w", format=container) as output:
        if timecode:
            output.metadata["timecode"] = "01:00:00:00"
        audio = output.add_stream("aac", rate=8000) if sound else None
        streams = [(video, _added(output, video)) for video in videos]
        if audio is not None:
            for start in range(0, 16384, 1024):
                silence = np.zeros((1, 1024), np.float32)
                samples = av.AudioFrame.from_ndarray(silence, format="fltp", layout="mono")
                samples.sample_rate, samples.pts = 8000, start
                output.mux(audio.encode(samples))
        for number in range(50):
            for video, stream in streams:
                picture = draw_number(video.first + number)
                picture = picture.repeat(video.scale, axis=0).repeat(video.scale, axis=1)
                frame = av.VideoFrame.from_ndarray(picture)
                frame.pts = number
                output.mux(stream.encode(frame))
        for stream in [*(stream for _, stream in streams), *([audio] if audio else [])]:
            output.mux(stream.encode(None))
    return file.getvalue()


def _added(output: Any, video: Video) -> Any:
    options = {"x264-params": "bframes=2:keyint=12", "preset": "ultrafast"}
    stream = output.add_stream("libx264", rate=25, options=options)
    stream.width, stream.height, stream.pix_fmt = 128 * video.scale, 64 * video.scale, "yuv420p"
    stream.codec_context.thread_count = 1
    stream.disposition = av.stream.Disposition.default if video.default else 0
    return stream


def with_cover(container: str) -> bytes:
    """A video of 50 frames with a cover picture four times as large, which comes first."""
    picture = io.BytesIO()
    with av.open(picture, "w", format="mjpeg") as output:
        stream = output.add_stream("mjpeg", rate=1)
        stream.width, stream.height, stream.pix_fmt = 256, 128, "yuvj420p"
        number = draw_number(200).repeat(2, axis=0).repeat(2, axis=1)
        output.mux(stream.encode(av.VideoFrame.from_ndarray(number)))
        output.mux(stream.encode(None))
    file = io.BytesIO()
    with av.open(file, "w", format=container) as output:
        cover = output.add_stream("mjpeg", rate=1)
        cover.width, cover.height, cover.pix_fmt = 256, 128, "yuvj420p"
        cover.disposition = av.stream.Disposition.attached_pic
        stream = _added(output, Video(0))
        output.start_encoding()
        packet = av.Packet(picture.getvalue())
        packet.stream, packet.pts, packet.dts, packet.is_keyframe = cover, 0, 0, True
        output.mux(packet)
        for number in range(50):
            frame = av.VideoFrame.from_ndarray(draw_number(number))
            frame.pts = number
            output.mux(stream.encode(frame))
        output.mux(stream.encode(None))
    return file.getvalue()
