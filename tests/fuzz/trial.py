"""One input through `DecodeOperator`, as a decode worker does it, and what came of it."""

from __future__ import annotations

import math
import os
import resource
import time
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, get_args

from operators.decode import DecodeOperator
from schemas.failure import FailureCode, Stage
from schemas.item import DecodedItem, Item, Medium, PendingTask
from schemas.item_tables import items_to_plan, table_to_decoded
from schemas.job import MediaSpec, StorageSpec, VideoSampling
from schemas.media import Frames, MediaKind, VideoCodec, VideoContainer
from tests.fuzz.corpus import Seed
from tests.fuzz.mutations import Mutant, mutant

TIMEOUT_S = 20.0
"""`MediaSpec.timeout_s` of all inputs."""

SOURCE_PIXELS = 64_000_000
"""`MediaSpec.max_source_pixels`; about what a frame of a video may have."""

FENCE_BYTES = 8 * 1024**3
"""Of address space beyond what the process has before the first input."""

_PIXELS = 40_000
_WINDOWED = "video_summary"
_MIB = 1024**2

_WAYS: tuple[dict[str, Any], ...] = (
    {"max_frames": 4},
    {"max_frames": 4, "damaged": "use"},
    {"max_frames": 64, "damaged": "use"},
    {"policy": "fps", "fps": 10, "max_frames": 3, "max_windows": 3},
    {"policy": "keyframes", "max_frames": 8},
    {"policy": "shots", "max_frames": 4, "damaged": "use"},
    {"policy": "adaptive", "max_frames": 4},
    {"policy": "times", "times_s": (0.1, 0.3, 7.0), "snap_s": 0.2},
    {"policy": "dense", "from_s": 0.2, "max_frames": 6, "subtitles": False},
)
"""`VideoSampling` of the inputs, in turn."""


@dataclass(frozen=True)
class Outcome:
    """What came of an input.

    Attributes:
        number: Of the input.
        form: Of the file that it was.
        result: ``decoded``, ``typed``, ``unexpected``, ``crashed`` or ``hung``.
        said: The failure's code; of what should not be, what it is in words.
        grown_mb: By how much more memory was held, at the most, than before.
        seconds: It took.
    """

    number: int
    form: str
    result: str
    said: str = ""
    grown_mb: float = 0.0
    seconds: float = 0.0


class Trial:
    """Decodes mutants in this process.

    Args:
        seeds: What is mutated.
        seed: Of the draws.
        folder: Where the file lies that is decoded.
    """

    def __init__(self, seeds: Sequence[Seed], seed: int, folder: Path) -> None:
        self._seeds, self._seed = seeds, seed
        self._file = folder / f"{os.getpid()}.bin"
        self._operators = [_operator(way) for way in _WAYS]

    def close(self) -> None:
        """End the operators' threads."""
        for operator in self._operators:
            operator.close()
        self._file.unlink(missing_ok=True)

    def __call__(self, number: int) -> Outcome:
        """Decode one mutant."""
        made = mutant(self._seeds, self._seed, number)
        self._file.write_bytes(made.data)
        before = _begin_peak()
        started = time.monotonic()
        operator = self._operators[number % len(self._operators)]
        try:
            result, said = _result(operator, self._item(made, number))
        except Exception as error:
            result, said = "unexpected", f"{type(error).__name__}: {error}"
        seconds, grown = time.monotonic() - started, _peak_mb() - before
        return Outcome(number, made.form, result, said, round(grown, 1), round(seconds, 3))

    def _item(self, made: Mutant, number: int) -> Item:
        # A video of unknown size is not read whole, but in parts, as a large one is.
        size = None if number % 2 else len(made.data)
        return Item(
            item_id=str(number),
            kind=made.kind,
            item_version="1",
            media=(Medium(str(self._file), size, None),),
            tasks=(PendingTask(_WINDOWED, "f" * 32),),
            content_key=1 if number % 3 == 0 else None,
            alike="a" if made.kind is MediaKind.IMAGE and number % 5 == 0 else None,
        )


def _operator(way: dict[str, Any]) -> DecodeOperator:
    media = MediaSpec(
        video=VideoSampling(**way),
        max_source_pixels=SOURCE_PIXELS,
        timeout_s=TIMEOUT_S,
        video_containers=_choices(VideoContainer),
        video_codecs=_choices(VideoCodec),
    )
    windowed = [_WINDOWED] if way.get("policy") == "fps" else []
    operator = DecodeOperator(StorageSpec(), media, _PIXELS, _PIXELS, 1, windowed)
    operator.setup()
    return operator


def _choices(literal: Any) -> tuple[str, ...]:
    nested = [_choices(part) or (part,) for part in get_args(literal)]
    return tuple(name for names in nested for name in names)


def _result(operator: DecodeOperator, item: Item) -> tuple[str, str]:
    rows = table_to_decoded(operator(items_to_plan([item])))
    failure = rows[-1].failure
    if failure is not None:
        is_typed = failure.code is not FailureCode.UNEXPECTED and failure.stage is Stage.DECODE
        if is_typed:
            return "typed", str(failure.code)
        return "unexpected", f"{failure.stage} {failure.code}: {failure.message}"
    wrong = [fault for row in rows for fault in _faults(row)]
    return ("unexpected", "; ".join(wrong)) if wrong else ("decoded", "")


def _faults(decoded: DecodedItem) -> list[str]:
    """What is wrong with something that is said to be decoded."""
    frames = decoded.frames
    if frames is None:
        return ["neither frames nor a failure"]
    sizes = [height * width for height, width in frames.shapes]
    is_part = decoded.part is not None
    faults = {
        "no frames": not sizes and not is_part,
        f"pixels do not fit shapes {frames.shapes}": 3 * sum(sizes) != len(frames.pixels),
        f"shapes {frames.shapes} are out of bounds": bool(sizes)
        and not 0 < min(sizes) <= max(sizes) <= _PIXELS,
        f"size {frames.source_width} x {frames.source_height}": bool(sizes)
        and not frames.source_width * frames.source_height > 0,
    }
    if frames.kind is MediaKind.VIDEO:
        faults |= _faults_of_times(frames)
    return [fault for fault, is_there in faults.items() if is_there]


def _faults_of_times(frames: Frames) -> dict[str, bool]:
    shown, asked = frames.pts_s, frames.requested_s
    duration = frames.duration_s
    return {
        f"{len(shown)} and {len(asked)} times of {len(frames.shapes)} frames": not (
            len(shown) == len(asked) == len(frames.shapes)
        ),
        f"times {shown} or {asked} are no numbers": not all(map(math.isfinite, shown + asked)),
        f"times {shown} do not ascend": any(b <= a for a, b in pairwise(shown)),
        f"a duration of {duration} s": duration is None or not math.isfinite(duration),
    }


def put_up_fence() -> None:
    """Let this process have no more address space than `FENCE_BYTES` beyond its present."""
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    most = pages * os.sysconf("SC_PAGE_SIZE") + FENCE_BYTES
    resource.setrlimit(resource.RLIMIT_AS, (most, most))


def _begin_peak() -> float:
    """Have the kernel forget the highest memory use so far; the present one, MiB."""
    Path("/proc/self/clear_refs").write_text("5")
    return _peak_mb()


def _peak_mb() -> float:
    """The highest memory use since then, MiB."""
    status = Path("/proc/self/status").read_text()
    kilobytes = status.partition("VmHWM:")[2].split()[0]
    return int(kilobytes) / 1024
