"""``make bench-media``: Tagline's decoding of media beside that of others, in one run.

Everyone does the same work on the same files, in a process of its own, with one thread and
warm, in turn; what is compared is CPU seconds of the process and its children. Five parts:

1. exact sampling: frames at evenly spread moments of a long H.264 video, scaled down; at
   two distances of keyframes;
2. the nearest keyframes instead;
3. whether each frame of clips that are easily mistaken is the one asked for;
4. JPEGs of 12 megapixels, shrunk, and how like they are to the plain way's;
5. Tagline's decoder in many processes against fewer with frame threads.

Frames bear their numbers, which are read back from the pixels. Who takes more than five
quarters of the best peer's CPU in the first run is not run again.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from infra.demo.s3_environment import ROOT
from tests.bench.machine import machine
from tests.bench.media import parts, table, threads
from tests.bench.media.contest import WRONG, Result, Results, best_peer, times_as_fast
from tests.bench.media.environments import Interpreter, ensure_environments
from tests.bench.media.parts import FULL, LONG_GOP, QUICK, SHORT_GOP, Media, Scale
from tests.bench.media.roster import FLOOR, OURS, PILLOW, PRIVATE

KEPT = ROOT / ".demo" / "bench-media"


def main(arguments: list[str]) -> int:
    """Run the benchmark; prints one JSON object last on standard output."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.media")
    parser.add_argument("--quick", action="store_true", help="short videos, one run")
    parser.add_argument("--keep", type=Path, default=KEPT, help="folder for the media made")
    chosen = parser.parse_args(arguments)
    about = machine()
    interpreters = ensure_environments()
    scale = QUICK if chosen.quick else FULL
    bench = Bench(Media(chosen.keep, scale), scale, interpreters)
    for gop in (LONG_GOP, SHORT_GOP):
        bench.sample_exactly(gop)
    bench.sample_keyframes(SHORT_GOP)
    bench.check_exactness()
    bench.shrink_photographs()
    bench.compare_threads()
    print(json.dumps(bench.figures | {"sections": bench.sections} | about))
    return 0


class Bench:
    """Runs the parts, prints a table of each, and gathers the figures.

    Attributes:
        figures: Those that are compared from version to version.
        sections: All others, by part.
    """

    def __init__(
        self, media: Media, scale: Scale, interpreters: dict[str, Interpreter]
    ) -> None:
        self._media = media
        self._scale = scale
        self._interpreters = interpreters
        self.figures: dict[str, Any] = {}
        self.sections: dict[str, Any] = {}

    def sample_exactly(self, gop: int) -> None:
        """Part 1."""
        scale = self._scale
        results = parts.exact_sampling(self._media, gop, scale, self._interpreters)
        title = f"{scale.frames} exact frames of {scale.film_s} s, GOP {gop}"
        _show(table.of_results(title, results, {}))
        best = times_as_fast(results, best_peer(results))
        self.figures[f"exact64_gop{gop}_vs_best_peer"] = best
        bits = round(self._media.bits_per_s(gop))
        self.sections[f"exact_gop{gop}"] = _section(results) | {"film_bits_per_s": bits}

    def sample_keyframes(self, gop: int) -> None:
        """Part 2."""
        scale = self._scale
        results = parts.snapped_sampling(self._media, gop, scale, self._interpreters)
        title = f"{scale.frames} keyframes of {scale.film_s} s, GOP {gop}"
        _show(table.of_results(title, results, {"mean_error_s": "mean error s"}))
        self.figures["snap64_vs_best_peer"] = times_as_fast(results, best_peer(results))
        public = {name: result for name, result in results.items() if name != PRIVATE}
        best_public = times_as_fast(results, best_peer(public))
        self.figures["snap64_vs_best_public_peer"] = best_public
        self.figures["snap64_vs_decoder_alone"] = times_as_fast(results, FLOOR)
        self.sections["snapped"] = _section(results)

    def check_exactness(self) -> None:
        """Part 3."""
        clips = parts.exactness(self._media, self._interpreters)
        _show(table.of_exactness(clips))
        self.figures["exact_frames_wrong"] = sum(
            _wrong(results[OURS]) for results in clips.values()
        )
        self.sections["exactness"] = {
            clip: {name: one.unable or _wrong(one) for name, one in results.items()}
            for clip, results in clips.items()
        }

    def shrink_photographs(self) -> None:
        """Part 4."""
        results = parts.images(self._media, self._scale, self._interpreters)
        title = f"{self._scale.photographs} photographs of 12 megapixels to 1344 x 1008"
        _show(table.of_results(title, results, {"psnr_db": "PSNR dB"}))
        self.figures["jpeg12mp_vs_pillow"] = times_as_fast(results, PILLOW)
        self.figures["jpeg12mp_psnr_db"] = results[OURS].verdicts[0]["psnr_db"]
        self.sections["jpeg12mp"] = _section(results)

    def compare_threads(self) -> None:
        """Part 5."""
        scale = self._scale
        case = self._media.film_case(LONG_GOP, scale.frames_in_parallel)
        found = threads.compare(
            self._interpreters, case, self._media.warm_up, scale.parallel, scale.runs
        )
        _show(table.of_splits(found))
        self.figures["threads_vs_processes"] = found


def _show(text: str) -> None:
    print(text, flush=True)


def _section(results: Results) -> dict[str, Any]:
    contenders = {name: result.summary() for name, result in results.items()}
    return {"best_peer": best_peer(results), "contenders": contenders}


def _wrong(result: Result) -> int:
    return int(result.verdicts[0][WRONG])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
