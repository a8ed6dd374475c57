"""``make bench-bytes``: what a video annotated from a few frames costs of the network.

A ten-minute film lies in S3, 30 ms away and behind 100 MB/s. Tagline reads what it needs
of it and decodes; beside it, in turn, the whole object is fetched and then decoded.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from infra.demo.s3_server import S3Server
from operators.storage import Store, open_store
from operators.video.decode import decode_video
from operators.video.ranges import fetch_index
from schemas.job import StorageSpec, VideoSampling
from schemas.media import Frames
from tests.bench.collection import BUCKET, client
from tests.bench.machine import machine
from tests.bench.remote.films import WITHOUT_INDEX, ensure_films
from tests.bench.remote.need import least_bytes
from tests.bench.remote.proxy import Distance, FarAway

FOLDER = Path(".demo/bench-media")
FRAME_PIXELS = 448 * 252
NOISE = 1.03
"""Of two medians of one machine, the larger is slower only if it is so much larger."""

POLICIES: dict[str, dict[str, Any]] = {
    "32 snapped": {"max_frames": 32, "snap_s": 5.0},
    "64 snapped": {"max_frames": 64, "snap_s": 5.0},
    "32 exact": {"max_frames": 32},
    "64 exact": {"max_frames": 64},
    "64 keyframes": {"policy": "keyframes", "max_frames": 64},
    "64 of 20 s": {"policy": "dense", "from_s": 10.0, "to_s": 30.0, "max_frames": 64},
}

OF_WHOLE_FILES = ("32 snapped", "64 exact")
"""What is wanted changes little where everything is fetched."""


@dataclass(frozen=True)
class Reading:
    """How frames were come by.

    Attributes:
        wall_s: Until the last frame was there.
        sent: Bytes that came.
        requests: Made for them.
        frames: How many frames came of it.
    """

    wall_s: float
    sent: int
    requests: int
    frames: int


def main(arguments: list[str]) -> int:
    """Run the benchmark; prints one JSON object last on standard output."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.remote")
    parser.add_argument("--seconds", type=int, default=600, help="length of the films")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--only", help="a part of the names of containers to measure")
    chosen = parser.parse_args(arguments)
    about = machine()
    films = ensure_films(FOLDER, chosen.seconds)
    rows = []
    with (
        tempfile.TemporaryDirectory() as folder,
        S3Server(Path(folder) / "s3") as server,
        FarAway(server.port, Distance()) as far,
    ):
        os.environ.update(server.env())
        s3 = client(server.endpoint_url)
        s3.create_bucket(Bucket=BUCKET)
        store = open_store("s3://", StorageSpec(endpoint_url=far.endpoint_url, path_style=True))
        for name, path in films.items():
            if chosen.only and chosen.only not in name:
                continue
            s3.upload_file(str(path), BUCKET, path.name)
            uri, size = f"s3://{BUCKET}/{path.name}", path.stat().st_size
            found = list(_measured(name, uri, size, store, far, chosen.runs))
            rows += [_beside_least(row, path) for row in found]
            s3.delete_object(Bucket=BUCKET, Key=path.name)
    print(json.dumps(_figures(rows) | {"machine": about}))
    return 0


def _measured(
    name: str, uri: str, size: int, store: Store, far: FarAway, runs: int
) -> Iterator[dict[str, Any]]:
    for policy, settings in POLICIES.items():
        if name in WITHOUT_INDEX and policy not in OF_WHOLE_FILES:
            continue
        sampling = VideoSampling.model_validate(settings)
        parts: list[Reading] = []
        wholes: list[Reading] = []
        for _ in range(runs):
            parts.append(_read(far, lambda s=sampling: _in_parts(store, uri, s)))
            wholes.append(_read(far, lambda s=sampling: _whole(store, uri, s)))
        wall_s = statistics.median(one.wall_s for one in parts)
        whole_s = statistics.median(one.wall_s for one in wholes)
        row = {
            "film": name,
            "policy": policy,
            "frames": parts[0].frames,
            "fraction": round(max(one.sent for one in parts) / size, 4),
            "requests": max(one.requests for one in parts),
            "requests_a_place": round(max(one.requests for one in parts) / parts[0].frames, 2),
            "wall_s": round(wall_s, 2),
            "whole_s": round(whole_s, 2),
        }
        print(
            f"{name:16} {policy:15} {row['frames']:3} frames  {row['fraction']:7.1%} of "
            f"{size / 1e6:4.0f} MB  {row['requests']:4} requests  {row['wall_s']:6.2f} s  "
            f"(whole: {row['whole_s']:6.2f} s)",
            file=sys.stderr,
        )
        yield row


def _beside_least(row: dict[str, Any], path: Path) -> dict[str, Any]:
    """With the part of the film without which exact frames cannot be decoded."""
    if row["policy"] not in ("32 exact", "64 exact") or row["film"] in WITHOUT_INDEX:
        return row
    least = least_bytes(path, POLICIES[row["policy"]]["max_frames"])
    return row | {"least": round(least / path.stat().st_size, 4)}


def _read(far: FarAway, work: Callable[[], Frames]) -> Reading:
    sent, requests, begun = far.sent, far.requests, time.monotonic()
    frames = work()
    wall_s = time.monotonic() - begun
    return Reading(wall_s, far.sent - sent, far.requests - requests, len(frames.shapes))


def _in_parts(store: Store, uri: str, sampling: VideoSampling) -> Frames:
    with store.open(uri) as file:
        fetch_index(file)
        return decode_video(file, sampling=sampling, max_frame_pixels=FRAME_PIXELS)


def _whole(store: Store, uri: str, sampling: VideoSampling) -> Frames:
    with tempfile.TemporaryFile() as file:
        store.fetch_to(uri, file)
        file.seek(0)
        return decode_video(file, sampling=sampling, max_frame_pixels=FRAME_PIXELS)


FRACTIONS = {
    "snap32_gop48_fraction": ("MP4, moov first", "32 snapped"),
    "snap64_gop48_fraction": ("MP4, moov first", "64 snapped"),
    "exact64_gop48_fraction": ("MP4, moov first", "64 exact"),
    "exact64_gop250_fraction": ("MP4, GOP 250", "64 exact"),
}


def _figures(rows: list[dict[str, Any]]) -> dict[str, Any]:
    by_name = {(row["film"], row["policy"]): row for row in rows}
    figures: dict[str, Any] = {
        key: by_name[of]["fraction"] for key, of in FRACTIONS.items() if of in by_name
    }
    figures |= {
        key.replace("fraction", "least"): by_name[of]["least"]
        for key, of in FRACTIONS.items()
        if "least" in by_name.get(of, {})
    }
    plain = [row["requests_a_place"] for row in rows if row["film"].startswith("MP4, moov")]
    figures["most_requests_a_place"] = max(plain, default=None)
    figures["most_fraction"] = max(row["fraction"] for row in rows)
    figures["slower_than_whole"] = [
        f"{row['film']}: {row['policy']}"
        for row in rows
        if row["wall_s"] > NOISE * row["whole_s"]
    ]
    return figures | {"rows": rows}


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
