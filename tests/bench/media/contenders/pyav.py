"""PyAV as one writes it plainly: seek, decode until the frame is there, scale."""

from __future__ import annotations

import av
import numpy as np

from tests.bench.media.contenders.protocol import Unable, run_contender
from tests.bench.media.tasks import Case


def seek(case: Case) -> np.ndarray:
    """Seek to the keyframe before each frame, and decode on from there."""
    found = []
    with av.open(case.path) as container:
        stream = container.streams.video[0]
        stream.codec_context.thread_count = 1
        for number in case.frames:
            container.seek(int(number / case.fps / stream.time_base), stream=stream)
            until_s = (number - 0.5) / case.fps
            frame = next((f for f in container.decode(stream) if f.time >= until_s), None)
            if frame is None:
                raise Unable(f"no frame came at or after number {number}")
            found.append(_small(frame, case))
    return np.stack(found)


def keyframe_before(case: Case) -> np.ndarray:
    """Seek to the keyframe before each frame, and take that."""
    found = []
    with av.open(case.path) as container:
        stream = container.streams.video[0]
        stream.codec_context.thread_count = 1
        stream.codec_context.skip_frame = "NONKEY"
        for number in case.frames:
            container.seek(int(number / case.fps / stream.time_base), stream=stream)
            found.append(_small(next(container.decode(stream)), case))
    return np.stack(found)


def told_the_packets(case: Case) -> np.ndarray:
    """Decode the nearest keyframes, whose numbers it is told; of each keep a few pixels."""
    found = []
    with av.open(case.path) as container:
        stream = container.streams.video[0]
        context = stream.codec_context
        context.thread_count = 1
        for number in case.nearest_keyframes():
            at = (number + 0.5) / case.fps / float(stream.time_base)
            container.seek(int(at), stream=stream)
            packet = next(container.demux(stream))
            [frame] = context.decode(packet) or context.decode(None)
            context.flush_buffers()
            found.append(_small(frame, case, "POINT"))
    return np.stack(found)


def all_keyframes(case: Case) -> np.ndarray:
    """Decode all keyframes in one pass, and keep the nearest ones."""
    wanted, found = case.nearest_keyframes(), {}
    with av.open(case.path) as container:
        stream = container.streams.video[0]
        stream.codec_context.thread_count = 1
        stream.codec_context.skip_frame = "NONKEY"
        for frame in container.decode(stream):
            number = round(frame.time * case.fps)
            if number in wanted:
                found[number] = _small(frame, case)
    return np.stack([found[number] for number in wanted])


def _small(frame: av.VideoFrame, case: Case, interpolation: str = "AREA") -> np.ndarray:
    return frame.to_ndarray(
        format="rgb24", width=case.width, height=case.height, interpolation=interpolation
    )


if __name__ == "__main__":
    run_contender(
        {
            "seek": seek,
            "keyframe_before": keyframe_before,
            "all_keyframes": all_keyframes,
            "told_the_packets": told_the_packets,
        }
    )
