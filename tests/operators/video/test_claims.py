"""What a header claims costs neither time nor memory: frames come, or a typed failure."""

from __future__ import annotations

import json
import pickle
import subprocess
import sys

import pytest

from tests.media.claims import claims

MOST_BYTES = 128 << 20
MOST_SECONDS = 10

REFUSED = {
    "a box of 2^60 bytes": "truncated",
    "a last box of 2^60 bytes": "truncated",
    "2^32 entries of times": "corrupt",
    "2^31 samples": "corrupt",
    "2^31 samples of 2^31 bytes": "corrupt",
    "a sample of 2^31 bytes": "no_frames",
    "2^32 offsets": "corrupt",
    "boxes in boxes": "corrupt",
    "an index that inflates to 2^30 bytes": "too_large",
    "an index in free space": "too_large",
    "a million samples of a byte": "corrupt",
    "20,000 edits": "too_large",
    "a segment of 2^56 bytes": "truncated",
    "a block of 2^28 bytes": "no_frames",
    "large JPEGs": "corrupt",
    "large VP9 pictures": "corrupt",
}
"""What becomes of each claim that cannot be passed over."""

IN_A_PROCESS = """
import json, pickle, sys, time
from pathlib import Path
from operators.video.decode import decode_video
from schemas.failure import ItemFailure
from schemas.job import VideoSampling
from tests.operators.video.test_decode import numbers

with open(sys.argv[1], "rb") as file:
    made = pickle.load(file)
def peak_kib():
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM"))


told, before = {}, peak_kib()
for name, data in made.items():
    for damaged in ("fail", "use"):
        for policy in ({"max_frames": 10}, {"policy": "fps", "fps": 25, "max_frames": 1024}):
            began = time.process_time()
            try:
                frames = decode_video(
                    data,
                    sampling=VideoSampling(damaged=damaged, **policy),
                    max_frame_pixels=10**6,
                )
                found = numbers(frames)
            except ItemFailure as failure:
                found = str(failure.code)
            took = time.process_time() - began
            told.setdefault(name, []).append([found, took])
print(json.dumps({"told": told, "peak_kib": peak_kib() - before}))
"""


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> dict:
    path = tmp_path_factory.mktemp("claims") / "made"
    path.write_bytes(pickle.dumps(claims()))
    command = [sys.executable, "-c", IN_A_PROCESS, str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stderr == ""
    return json.loads(done.stdout)


def test_claims_are_refused_or_passed_over(told: dict) -> None:
    for name, results in told["told"].items():
        few, every, *_ = [found for found, _ in results]
        if name in REFUSED:
            assert (few, every) == (REFUSED[name], REFUSED[name]), name
        elif name == "no ticks a second":
            assert set(few) | set(every) == {0}, name
        else:
            assert few == list(range(5, 100, 10)), name
            assert every == list(range(100)), name


def test_what_damaged_videos_claim_is_not_believed_either(told: dict) -> None:
    for name, results in told["told"].items():
        *_, few, every = [found for found, _ in results]
        assert isinstance(few, str) == isinstance(every, str), name
        if not isinstance(few, str):
            assert few == sorted(few), name
            assert set(every) <= set(range(100)), name


def test_claims_cost_no_time(told: dict) -> None:
    slow = {
        name: [seconds for _, seconds in results]
        for name, results in told["told"].items()
        if max(seconds for _, seconds in results) > MOST_SECONDS
    }
    assert slow == {}


def test_claims_cost_no_memory(told: dict) -> None:
    assert 0 < told["peak_kib"] * 1024 < MOST_BYTES
