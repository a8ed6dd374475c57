"""Videos of plain colours, coded by formulas written out here: no scaler is in them."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass, field

import av
import numpy as np

PATCH = 32
"""Columns of each colour; all rows are the same."""

Colour = tuple[int, int, int]

GREYS: list[Colour] = [(v, v, v) for v in (0, 16, 64, 128, 176)]
COLOURS: list[Colour] = [
    (200, 50, 50),
    (50, 200, 50),
    (50, 50, 200),
    (200, 180, 40),
    (160, 40, 150),
]

_LUMA = {1: (0.2126, 0.0722), 5: (0.299, 0.114), 6: (0.299, 0.114), 9: (0.2627, 0.0593)}
"""Weights of red and blue in luma, by matrix coefficients (code points of ITU-T H.273)."""


@dataclass(frozen=True)
class Coding:
    """How colours become samples; the tags are code points of ITU-T H.273.

    Attributes:
        matrix: Matrix coefficients by which it is coded.
        full: Whether by full range.
        tagged: Whether the stream says so.
        says: The tag of the matrix, if it is not the one by which it is coded.
        transfer: Its tag; the samples are given as that signal.
        primaries: Its tag; likewise.
        pix_fmt: Planar YUV or grey.
        codec: PyAV's name of the encoder.
        options: Of the encoder: lossless, unless it cannot be.
        container: PyAV's name of the muxer.
        height: Rows.
    """

    matrix: int = 1
    full: bool = False
    tagged: bool = True
    says: int | None = None
    transfer: int = 1
    primaries: int = 1
    pix_fmt: str = "yuv420p"
    codec: str = "libx264"
    options: dict[str, str] = field(default_factory=lambda: {"qp": "0"})
    container: str = "mp4"
    height: int = 64

    @property
    def tag(self) -> int:
        """Of the matrix."""
        return self.matrix if self.says is None else self.says


X265_LOSSLESS = {
    "x265-params": "lossless=1:bframes=0:log-level=error:pools=1",
    "preset": "ultrafast",
}


def video_of(signals: Sequence[Sequence[float]], coding: Coding) -> bytes:
    """A video of two equal frames: a patch for each R'G'B' signal, 0 to 255, left to right."""
    file = io.BytesIO()
    with av.open(file, "w", format=coding.container) as container:
        stream = container.add_stream(coding.codec, rate=25, options=dict(coding.options))
        stream.width, stream.height = PATCH * len(signals), coding.height
        stream.pix_fmt = coding.pix_fmt
        context = stream.codec_context
        context.thread_count = 1
        if coding.tagged:
            context.colorspace, context.color_range = coding.tag, 1 + coding.full
            context.color_trc, context.color_primaries = coding.transfer, coding.primaries
        for number in range(2):
            frame = _frame(np.asarray(signals, float) / 255, coding)
            frame.pts = number
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return file.getvalue()


def _frame(signals: np.ndarray, coding: Coding) -> av.VideoFrame:
    frame = av.VideoFrame(PATCH * len(signals), coding.height, coding.pix_fmt)
    if coding.tagged:
        frame.colorspace, frame.color_range = coding.tag, 1 + coding.full
        frame.color_trc, frame.color_primaries = coding.transfer, coding.primaries
    deep = coding.pix_fmt.endswith("le")
    depth = int(coding.pix_fmt[-4:-2]) if deep else 8
    for plane, samples in zip(frame.planes, _samples(signals, coding, depth), strict=True):
        row = np.repeat(samples, plane.width // len(signals)).astype("<u2" if deep else "u1")
        into = np.frombuffer(plane, np.uint8).reshape(-1, plane.line_size)
        into[:, : row.nbytes] = row.view(np.uint8)
    return frame


def _samples(signals: np.ndarray, coding: Coding, depth: int) -> list[np.ndarray]:
    """Y', Cb and Cr of each signal, and opacity; as many as the format has planes."""
    of_red, of_blue = _LUMA[coding.matrix]
    red, green, blue = signals.T[:3]
    luma = of_red * red + (1 - of_red - of_blue) * green + of_blue * blue
    chroma = (blue - luma) / (2 - 2 * of_blue), (red - luma) / (2 - 2 * of_red)
    step, most = 1 << (depth - 8), (1 << depth) - 1
    if coding.full:
        planes = [luma * most, *(128 * step + c * most for c in chroma)]
    else:
        planes = [(16 + 219 * luma) * step, *((128 + 224 * c) * step for c in chroma)]
    if coding.pix_fmt.startswith("gray"):
        planes = planes[:1]
    if coding.pix_fmt.startswith("yuva"):
        planes.append(signals.T[3] * most)
    return [np.clip(np.rint(plane), 0, most) for plane in planes]


_BT709_TO_BT2020 = np.array(
    [[0.6274, 0.3293, 0.0433], [0.0691, 0.9195, 0.0114], [0.0164, 0.0880, 0.8956]]
)
"""Of linear light; ITU-R BT.2087."""


def as_wide(colours: Sequence[Colour]) -> np.ndarray:
    """SDR colours as SDR signals of BT.2020's primaries, 0 to 255."""
    light = (np.array(colours) / 255) ** 2.4 @ _BT709_TO_BT2020.T
    return 255 * light ** (1 / 2.4)


def as_pq(colours: Sequence[Colour]) -> np.ndarray:
    """SDR colours as PQ signals of BT.2020, 0 to 255: white stands at 203 cd/m2."""
    light = 203 * ((np.array(colours) / 255) ** 2.4 @ _BT709_TO_BT2020.T)
    root = (light / 10_000) ** 0.1593017578125
    return 255 * ((0.8359375 + 18.8515625 * root) / (1 + 18.6875 * root)) ** 78.84375


def as_hlg(colours: Sequence[Colour]) -> np.ndarray:
    """SDR colours as HLG signals of BT.2020, 0 to 255, for a display of 1,000 cd/m2."""
    light = 0.203 * ((np.array(colours) / 255) ** 2.4 @ _BT709_TO_BT2020.T)
    luma = np.maximum(light @ [0.2627, 0.6780, 0.0593], 1e-9)[:, None]
    scene = light * luma ** (1 / 1.2 - 1)
    bright = 0.17883277 * np.log(np.maximum(12 * scene - 0.28466892, 1e-9)) + 0.55991073
    return 255 * np.where(scene <= 1 / 12, np.sqrt(3 * scene), bright)
