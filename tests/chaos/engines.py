"""Engines that note what they are asked, outside of every process that may be killed.

Workers get an `EngineSpec` from the driver. The one here is of a class of this module, so
that a worker which unpickles it imports this module, and with it gets the engines' names.
"""

from __future__ import annotations

import hashlib
import subprocess
import threading
from concurrent.futures import Future
from pathlib import Path
from typing import Any

from operators import engines
from operators.base import Completion, EngineSpec, Request
from operators.engine import VllmEngine
from operators.fake_engine import FakeEngine
from tests.chaos.journal import ANSWERED, BEGUN, Journal

CORE_TITLE = "tagline-chaos-core"
FAKE, REAL = "chaos-fake", "chaos-vllm"


class ChaosSpec(EngineSpec):
    """An `EngineSpec` whose arrival at a worker makes the engines below known there."""


def request_name(request: Request) -> str:
    """The same for the same question about the same version of an item."""
    asked = hashlib.sha256(request.prompt.encode()).hexdigest()[:8]
    return f"{request.media_key} {asked}"


class ChaosFake(FakeEngine):
    """The shipped fake, which writes a journal and dies with a process of its own.

    vLLM runs the model in a child process. So that this can be killed alone there is one
    here, too. It does nothing, and ends with its parent: then nothing comes on its pipe.

    Args:
        journal: Path of the journal.
        options: Of `FakeEngine`.
    """

    def __init__(self, journal: str, **options: Any) -> None:
        super().__init__(**options)
        self._journal = Journal(Path(journal))
        self._core: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """See `FakeEngine.start`."""
        super().start()
        self._core = subprocess.Popen(
            [CORE_TITLE],
            executable="/bin/cat",
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
        )
        threading.Thread(target=self._watch, args=(self._core,), daemon=True).start()

    def _watch(self, core: subprocess.Popen[bytes]) -> None:
        core.wait()
        self._die("the fake engine's process is gone")

    def submit(self, request: Request) -> Future[Completion]:
        """See `FakeEngine.submit`."""
        return _noted(self._journal, request, super().submit(request))

    def shutdown(self) -> None:
        """See `FakeEngine.shutdown`."""
        super().shutdown()
        if self._core is not None and self._core.stdin is not None:
            self._core.stdin.close()


class ChaosVllm(VllmEngine):
    """The real engine, which writes a journal.

    Args:
        journal: Path of the journal.
        options: Of `VllmEngine`.
    """

    def __init__(self, journal: str, **options: Any) -> None:
        super().__init__(**options)
        self._journal = Journal(Path(journal))

    def submit(self, request: Request) -> Future[Completion]:
        """See `VllmEngine.submit`."""
        return _noted(self._journal, request, super().submit(request))


def _noted(
    journal: Journal, request: Request, future: Future[Completion]
) -> Future[Completion]:
    """Note what was taken, and later what was answered; a dead engine takes nothing."""
    name = request_name(request)
    if not (future.done() and future.exception()):
        journal.note(what=BEGUN, request=name)

    def note_answer(answered: Future[Completion]) -> None:
        if answered.exception() is None:
            journal.note(what=ANSWERED, request=name)

    future.add_done_callback(note_answer)
    return future


engines.ENGINES.update({FAKE: ChaosFake, REAL: ChaosVllm})
