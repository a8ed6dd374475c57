"""The sampled frames of an opened video, by its index or, failing that, by a scan."""

from __future__ import annotations

import math
from fractions import Fraction

from operators.video import scanning, seeking
from operators.video.pixels import FrameBuffer
from operators.video.reader import FrameSink, PacketReader
from operators.video.sampling import spread, target_times
from operators.video.timeline import KeyframeIndex
from schemas.failure import FailureCode, ItemFailure, Stage
from schemas.job import VideoSampling
from schemas.media import Frames, MediaKind

ROUNDING_S = 0.0005
"""Containers that count milliseconds put a frame this much before or after its time."""


def _fail(code: FailureCode, message: str) -> ItemFailure:
    return ItemFailure(Stage.DECODE, code, message)


def sampled_frames(
    reader: PacketReader, container: str, sampling: VideoSampling, max_frame_pixels: int
) -> Frames:
    """Decode the frames that a sampling policy wants from an opened video.

    Args:
        reader: The video.
        container: Name of its container, for the record.
        sampling: Which frames.
        max_frame_pixels: Most pixels of each frame.

    Raises:
        ItemFailure: NO_FRAMES or CORRUPT; and what the reader raises.
    """
    sink = FrameSink(FrameBuffer(sampling.max_frames, max_frame_pixels), reader.aspect)
    keys = reader.keyframes()
    span = None if keys is None else _decode_indexed(reader, keys, sampling, sink)
    if span is None:
        # The times found by a scan may differ from the header's: begin with nothing kept.
        sink = FrameSink(FrameBuffer(sampling.max_frames, max_frame_pixels), reader.aspect)
        reader.rewind()
        span = _decode_scanned(reader, sampling, sink)
    start, duration = span
    tick_s = reader.tick_s
    _check_complete(sink, [float((pts - start) * tick_s) for pts in sorted(sink.missing)])
    width, height = sink.buffer.source_size or (0, 0)
    order = sorted(range(len(sink.pts)), key=sink.pts.__getitem__)
    pixels, shapes = sink.buffer.finish(order)
    return Frames(
        kind=MediaKind.VIDEO,
        pixels=pixels,
        shapes=shapes,
        pts_s=tuple(float((sink.pts[number] - start) * tick_s) for number in order),
        source_width=width,
        source_height=height,
        duration_s=float(duration * tick_s),
        source_format=container,
    )


def _tick_at(time_s: float, tick_s: Fraction) -> int:
    """The tick under way at a time, which may be late by the containers' rounding."""
    return math.floor((time_s + ROUNDING_S) / float(tick_s))


def _check_complete(sink: FrameSink, missing_s: list[float]) -> None:
    if not sink.pts:
        raise _fail(FailureCode.NO_FRAMES, "not one frame of the video could be decoded")
    if missing_s:
        places = ", ".join(f"{time:.3f} s" for time in missing_s[:5])
        raise _fail(
            FailureCode.CORRUPT,
            f"{len(missing_s)} of {len(missing_s) + len(sink.pts)} sampled frames cannot be "
            f"decoded, those at {places}",
        )


def _decode_indexed(
    reader: PacketReader, keys: KeyframeIndex, sampling: VideoSampling, sink: FrameSink
) -> tuple[int, int] | None:
    """Decode by the index; answers the start and the duration in ticks, None if it misleads."""
    start, duration = reader.start, reader.duration_ticks
    if sampling.policy == "keyframes":
        numbers = spread(range(len(keys.ticks)), sampling.max_frames)
        if not seeking.decode_keyframes(reader, keys, numbers, sink):
            return None
    else:
        tick_s = reader.tick_s
        times = target_times(
            sampling,
            duration_s=float(duration * tick_s),
            frame_count=reader.frame_count,
            keyframe_times=(),
        )
        targets = [start + _tick_at(time, tick_s) for time in times]
        if not seeking.decode_targets(reader, keys, targets, sink):
            return None
    return start, duration


def _decode_scanned(
    reader: PacketReader, sampling: VideoSampling, sink: FrameSink
) -> tuple[int, int]:
    """Decode without an index; answers the start and the duration in ticks."""
    found = scanning.scan(reader)
    pts, tick_s = found.timeline.pts, reader.tick_s
    if not pts:
        raise _fail(FailureCode.NO_FRAMES, "the video stream holds no frames")
    start = pts[0]
    typical_gap = (pts[-1] - start) // max(1, len(pts) - 1) if len(pts) > 1 else 1
    duration = pts[-1] - start + typical_gap
    times = target_times(
        sampling,
        duration_s=float(duration * tick_s),
        frame_count=len(pts),
        keyframe_times=[float((key - start) * tick_s) for key in found.timeline.key_pts],
    )
    targets = [start + _tick_at(time, tick_s) for time in times]
    scanning.decode_targets(reader, found, targets, sink)
    return start, duration
