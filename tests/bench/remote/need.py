"""What nobody can do without who decodes exact frames."""

from __future__ import annotations

from bisect import bisect_right
from pathlib import Path

import av


def least_bytes(path: Path, count: int) -> int:
    """Of packets from keyframes to those that are on screen in the middles of equal parts.

    Args:
        path: A film of which each group of pictures begins with what is shown first.
        count: How many parts.
    """
    with av.open(str(path)) as film:
        video = film.streams.video[0]
        start, duration = video.start_time or 0, film.duration / av.time_base / video.time_base
        packets = [
            (packet.pts, packet.is_keyframe, packet.size)
            for packet in film.demux(video)
            if packet.pts is not None
        ]
    place = {pts: number for number, (pts, *_) in enumerate(packets)}
    shown = sorted(place)
    keys = [number for number, (_, is_keyframe, _) in enumerate(packets) if is_keyframe]
    key_pts = [packets[number][0] for number in keys]
    last: dict[int, int] = {}
    for part in range(count):
        moment = start + (part + 0.5) * duration / count
        wanted = place[shown[bisect_right(shown, moment) - 1]]
        key = keys[bisect_right(key_pts, packets[wanted][0]) - 1]
        last[key] = max(last.get(key, 0), wanted)
    return sum(size for key, end in last.items() for *_, size in packets[key : end + 1])
