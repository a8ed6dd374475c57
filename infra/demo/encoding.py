"""From pixels to files."""

from __future__ import annotations

import io
from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import av
from PIL import Image

_ORIENTATION = 0x0112
_TURNED_RIGHT = 6
"""EXIF: the stored picture must be turned by 90 degrees clockwise to be seen upright."""


@dataclass(frozen=True)
class ImageFile:
    """How a picture is stored.

    Attributes:
        format: ``jpeg``, ``png`` or ``webp``.
        mode: Pillow's mode to store it in: ``RGB``, ``RGBA``, ``CMYK`` or ``P``.
        turned: Store it on its side, with an EXIF orientation that turns it upright.
        progressive: Of JPEG.
    """

    format: str
    mode: str = "RGB"
    turned: bool = False
    progressive: bool = False

    @property
    def suffix(self) -> str:
        """Of the file's name."""
        return ".jpg" if self.format == "jpeg" else f".{self.format}"


def encode_image(image: Image.Image, how: ImageFile) -> bytes:
    """Encode a picture that stands upright."""
    options: dict[str, Any] = {"quality": 88} if how.format != "png" else {"compress_level": 3}
    if how.progressive:
        options["progressive"] = True
    if how.turned:
        image = image.transpose(Image.Transpose.ROTATE_90)
        exif = Image.Exif()
        exif[_ORIENTATION] = _TURNED_RIGHT
        options["exif"] = exif
    if how.mode == "P":
        image = image.quantize(256)
    elif image.mode != how.mode:
        image = image.convert(how.mode)
    into = io.BytesIO()
    image.save(into, format=how.format, **options)
    return into.getvalue()


def encode_video(frames: Iterable[Image.Image], width: int, height: int, fps: int) -> bytes:
    """Encode RGB frames as H.264 in MP4, with a keyframe at least every two seconds.

    The same frames look the same each time. Their bytes mostly are, too, but not in every
    process: x264 has been seen to differ by a byte after much else was decoded.

    Args:
        frames: Of the given size.
        width: Pixels, even.
        height: Pixels, even.
        fps: Frames a second.
    """
    into = io.BytesIO()
    # One thread and no version strings, so that as little as can be depends on the machine.
    with av.open(into, "w", format="mp4", options={"fflags": "+bitexact"}) as container:
        stream = container.add_stream("libx264", rate=fps)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        stream.gop_size = 2 * fps
        stream.codec_context.time_base = Fraction(1, fps)
        stream.codec_context.thread_count = 1
        stream.options = {"preset": "veryfast", "crf": "23"}
        for image in frames:
            container.mux(stream.encode(av.VideoFrame.from_image(image)))
        container.mux(stream.encode(None))
    return into.getvalue()
