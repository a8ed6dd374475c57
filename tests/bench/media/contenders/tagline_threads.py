"""Tagline's video decoder with FFmpeg's frame threads, which Tagline itself does not use."""

from __future__ import annotations

import sys
from pathlib import Path

from operators.video import decode
from tests.bench.media.contenders.protocol import run_contender
from tests.bench.media.contenders.tagline import exact
from tests.bench.media.tasks import Task

THREADS = Task.load(Path(sys.argv[1])).threads


class ThreadedReader(decode.VideoReader):
    """The same reader; its decoder has threads."""

    def _open(self) -> None:
        super()._open()
        self.stream.codec_context.thread_type = "FRAME"
        self.stream.codec_context.thread_count = THREADS


if __name__ == "__main__":
    decode.VideoReader = ThreadedReader  # type: ignore[misc]
    run_contender({"exact": exact}, wait=True)
