"""Videos made by code, each frame bearing its own number in big black and white blocks."""

from __future__ import annotations

import io
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from fractions import Fraction

import av
import numpy as np

os.environ.setdefault("SVT_LOG", "1")  # The AV1 encoder prints its settings otherwise.

BITS = 8
BLOCK = 32
WIDTH, HEIGHT = 4 * BLOCK, 2 * BLOCK


def draw_number(number: int) -> np.ndarray:
    """An RGB frame whose eight blocks spell `number` in binary, white for one."""
    bits = np.array([number >> bit & 1 for bit in range(BITS)], np.uint8).reshape(2, 4)
    grey = np.kron(bits * 200 + 25, np.ones((BLOCK, BLOCK), np.uint8))
    return np.repeat(grey[:, :, None], 3, axis=2).astype(np.uint8)


def read_number(frame: np.ndarray) -> int:
    """The number in an (h, w, 3) frame of any size."""
    height, width, _ = frame.shape
    rows = [height * (2 * y + 1) // 4 for y in range(2)]
    columns = [width * (2 * x + 1) // 8 for x in range(4)]
    bits = [int(frame[y, x].mean() > 125) for y in rows for x in columns]
    return sum(bit << position for position, bit in enumerate(bits))


@dataclass(frozen=True)
class Clip:
    """How a video is made.

    Attributes:
        container: PyAV's name of the muxer.
        codec: PyAV's name of the encoder.
        options: Of the encoder.
        frames: How many; below 256, so that each can be told apart.
        fps: Frames a second.
        gop: Frames from keyframe to keyframe.
        pix_fmt: Pixel format of the encoder.
        muxer: Options of the muxer.
        pts: The frames' times in units of 1 / fps; by default 0, 1, 2, ...
        rotation: Degrees by which a player turns it, anticlockwise.
        flip: Whether a player mirrors it left to right after that.
        size: Width and height as stored, pixels.
        aspect: Width over height of one pixel; 0 if the video does not say.
    """

    container: str = "mp4"
    codec: str = "libx264"
    options: dict[str, str] = field(default_factory=dict)
    frames: int = 100
    fps: int = 25
    gop: int = 12
    pix_fmt: str = "yuv420p"
    muxer: dict[str, str] = field(default_factory=dict)
    pts: tuple[int, ...] = ()
    rotation: float = 0.0
    flip: bool = False
    size: tuple[int, int] = (WIDTH, HEIGHT)
    aspect: Fraction = Fraction(0)

    @property
    def times(self) -> list[float]:
        """When each frame is shown, seconds from the first one."""
        pts = self.pts or range(self.frames)
        return [(tick - pts[0]) / self.fps for tick in pts]


X264_B_FRAMES = {"x264-params": "bframes=3:b-adapt=0:scenecut=0", "preset": "veryfast"}
X264_OPEN_GOP = {
    "x264-params": "bframes=3:b-adapt=0:scenecut=0:open-gop=1",
    "preset": "veryfast",
}
X265_OPEN_GOP = {"x265-params": "bframes=3:open-gop=1:scenecut=0:log-level=error:pools=1"}

CLIPS = {
    "h264": Clip(options=X264_B_FRAMES),
    "h264 open gop": Clip(options=X264_OPEN_GOP),
    "h264 one gop": Clip(options=X264_B_FRAMES, gop=250),
    "h264 fragmented": Clip(
        options=X264_B_FRAMES, muxer={"movflags": "frag_keyframe+empty_moov"}
    ),
    "h264 variable rate": Clip(
        options=X264_B_FRAMES, pts=tuple(i + i // 3 * 4 for i in range(100))
    ),
    "hevc open gop": Clip(codec="libx265", options={**X265_OPEN_GOP, "preset": "ultrafast"}),
    "h264 mkv": Clip("matroska", options=X264_OPEN_GOP),
    "h264 ts": Clip("mpegts", options=X264_OPEN_GOP),
    "vp9 webm": Clip("webm", "libvpx-vp9", {"deadline": "realtime", "cpu-used": "8"}),
    "vp8 webm": Clip("webm", "libvpx", {"deadline": "realtime", "cpu-used": "8"}),
    "av1 mp4": Clip("mp4", "libsvtav1", {"preset": "10"}),
    "mpeg4 avi": Clip("avi", "mpeg4", {"b": "4000000"}),
    "mpeg4 avi b-frames": Clip("avi", "mpeg4", {"b": "4000000", "bf": "2"}),
    "mpeg2 ts": Clip("mpegts", "mpeg2video", {"b": "4000000", "bf": "2"}),
    "mjpeg avi": Clip("avi", "mjpeg", pix_fmt="yuvj420p"),
    "prores mov": Clip("mov", "prores_ks", pix_fmt="yuv422p10le"),
}


def _stretched(picture: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    rows = np.arange(size[1]) * picture.shape[0] // size[1]
    columns = np.arange(size[0]) * picture.shape[1] // size[0]
    return picture[rows][:, columns]


def make(clip: Clip, draw: Callable[[int], np.ndarray] = draw_number) -> bytes:
    """Encode a clip of what is drawn for each number into a file's bytes."""
    file = io.BytesIO()
    with av.open(file, "w", format=clip.container, options=clip.muxer) as container:
        stream = container.add_stream(clip.codec, rate=clip.fps, options=dict(clip.options))
        stream.width, stream.height = clip.size
        stream.pix_fmt = clip.pix_fmt
        stream.codec_context.sample_aspect_ratio = clip.aspect
        stream.codec_context.gop_size = clip.gop
        stream.codec_context.thread_count = 1
        if clip.rotation or clip.flip:
            stream.set_display_rotation(clip.rotation, hflip=clip.flip)
        for number in range(clip.frames):
            frame = av.VideoFrame.from_ndarray(_stretched(draw(number), clip.size))
            frame.pts = clip.pts[number] if clip.pts else number
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return file.getvalue()


def audio_only() -> bytes:
    """An MP4 of half a second of silence."""
    file = io.BytesIO()
    with av.open(file, "w", format="mp4") as container:
        stream = container.add_stream("aac", rate=8000)
        for start in range(0, 4096, 1024):
            samples = np.zeros((1, 1024), np.float32)
            frame = av.AudioFrame.from_ndarray(samples, format="fltp", layout="mono")
            frame.sample_rate, frame.pts = 8000, start
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return file.getvalue()


def without_frames() -> bytes:
    """An MP4 whose video track holds no frame."""
    file = io.BytesIO()
    with av.open(file, "w", format="mp4", options={"movflags": "empty_moov"}) as container:
        stream = container.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        container.start_encoding()
    return file.getvalue()


def audio_with_cover() -> bytes:
    """A Matroska file of silence with a cover picture, as music files have."""
    picture = io.BytesIO()
    with av.open(picture, "w", format="mjpeg") as container:
        stream = container.add_stream("mjpeg", rate=1)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuvj420p"
        container.mux(stream.encode(av.VideoFrame.from_ndarray(draw_number(7), format="rgb24")))
        container.mux(stream.encode(None))
    file = io.BytesIO()
    with av.open(file, "w", format="mp4") as container:
        cover = container.add_stream("mjpeg", rate=1)
        cover.width, cover.height, cover.pix_fmt = WIDTH, HEIGHT, "yuvj420p"
        cover.disposition = av.stream.Disposition.attached_pic
        audio = container.add_stream("aac", rate=8000)
        container.start_encoding()
        packet = av.Packet(picture.getvalue())
        packet.stream, packet.pts, packet.dts, packet.is_keyframe = cover, 0, 0, True
        container.mux(packet)
        for start in range(0, 4096, 1024):
            samples = np.zeros((1, 1024), np.float32)
            frame = av.AudioFrame.from_ndarray(samples, format="fltp", layout="mono")
            frame.sample_rate, frame.pts = 8000, start
            container.mux(audio.encode(frame))
        container.mux(audio.encode(None))
    return file.getvalue()
