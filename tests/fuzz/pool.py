"""Child processes that are fed one input after another, and may die of any."""

from __future__ import annotations

import faulthandler
import os
import signal
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from multiprocessing import get_context
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pathlib import Path

from tests.fuzz.corpus import Seed
from tests.fuzz.trial import Outcome, Trial, put_up_fence

WATCHDOG_S = 60.0
"""An input that takes longer hangs; its process is killed."""

START_S = 300.0
"""Until a child is ready, on a busy machine."""

Work = Callable[[int], Outcome]
"""What a child does with the number of an input."""

_TRACE_S = 0.2
"""For a process that hangs to write down where."""

_CONTEXT = get_context("spawn")


@dataclass(frozen=True)
class Fuzzing:
    """Makes the work of a child, in the child.

    Attributes:
        seeds: What is mutated.
        seed: Of the draws.
    """

    seeds: Sequence[Seed]
    seed: int

    def __call__(self, folder: Path) -> Work:
        """See the class."""
        trial = Trial(self.seeds, self.seed, folder)
        put_up_fence()
        return trial


@dataclass
class Pool:
    """Runs inputs in children; one that dies is replaced, and its input told.

    Attributes:
        make: Makes the work, given a folder for files; it is pickled.
        processes: How many children.
        watchdog_s: See `WATCHDOG_S`.
        replaced_s: Of each child that died: from then until its successor was ready.
    """

    make: Callable[[Path], Work]
    processes: int = 2
    watchdog_s: float = WATCHDOG_S
    replaced_s: list[float] = field(default_factory=list)

    def run(self, numbers: Iterator[int]) -> Iterator[Outcome]:
        """The outcomes of these inputs, as they come."""
        with tempfile.TemporaryDirectory(prefix="tagline-fuzz-") as folder:
            children = [_Child(self.make, Path(folder)) for _ in range(self.processes)]
            try:
                yield from self._run(numbers, children, Path(folder))
            finally:
                for child in children:
                    child.end()

    def _run(
        self, numbers: Iterator[int], children: list[_Child], folder: Path
    ) -> Iterator[Outcome]:
        while children:
            soonest = min(child.deadline(self.watchdog_s) for child in children)
            pipes = [child.pipe for child in children]
            ready = wait(pipes, max(0.0, soonest - time.monotonic()))
            for child in list(children):
                is_ready = child.pipe in ready
                if not is_ready and time.monotonic() < child.deadline(self.watchdog_s):
                    continue
                outcome = child.outcome() if is_ready else child.hung()
                if outcome is not None:
                    yield outcome
                elif child.succeeds is not None:
                    self.replaced_s.append(time.monotonic() - child.succeeds)
                if not child.is_alive:
                    successor = _Child(self.make, folder, succeeds=time.monotonic())
                    children[children.index(child)] = successor
                elif not child.give(next(numbers, None)):
                    children.remove(child)
                    child.end()


class _Child:
    """One process, and the input that it works on.

    Attributes:
        since: When it was given that input, or was started.
        is_alive: Whether it can be given another.
        succeeds: When the child died whose place it takes.
    """

    def __init__(
        self, make: Callable[[Path], Work], folder: Path, succeeds: float | None = None
    ) -> None:
        self.pipe, theirs = _CONTEXT.Pipe()
        with tempfile.NamedTemporaryFile(dir=folder, suffix=".trace", delete=False) as trace:
            self._trace = Path(trace.name)
        self._process: BaseProcess = _CONTEXT.Process(
            target=_serve, args=(make, folder, theirs, self._trace), daemon=True
        )
        self._process.start()
        theirs.close()
        self._number: int | None = None
        self.since = time.monotonic()
        self.is_alive = True
        self.succeeds = succeeds

    def deadline(self, watchdog_s: float) -> float:
        """When it hangs."""
        return self.since + (START_S if self._number is None else watchdog_s)

    def give(self, number: int | None) -> bool:
        """Give it the next input; answers whether there was one."""
        self._number, self.since = number, time.monotonic()
        if number is None:
            return False
        self.pipe.send(number)
        return True

    def outcome(self) -> Outcome | None:
        """What it says, or that it died; None if it is ready for its first input.

        Raises:
            RuntimeError: It died before that.
        """
        try:
            outcome = self.pipe.recv()
        except (EOFError, ConnectionResetError):
            self._process.join()
            code = self._process.exitcode
            return self._ended("crashed", f"exit code {code}\n{self._trace.read_text()}")
        return outcome

    def hung(self) -> Outcome:
        """It works for too long, and is killed."""
        os.kill(self._process.pid or 0, signal.SIGUSR1)
        time.sleep(_TRACE_S)
        self._process.kill()
        self._process.join()
        return self._ended("hung", self._trace.read_text())

    def _ended(self, result: str, said: str) -> Outcome:
        self.is_alive = False
        self.pipe.close()
        if self._number is None:
            raise RuntimeError(f"a child {result} before its first input: {said}")
        seconds = round(time.monotonic() - self.since, 3)
        return Outcome(self._number, "", result, said, seconds=seconds)

    def end(self) -> None:
        """End the process."""
        if self.is_alive:
            self.pipe.close()
            self._process.join(5)
            self._process.kill()
            self._process.join()
            self.is_alive = False


def _serve(make: Callable[[Path], Work], folder: Path, pipe: Connection, trace: Path) -> None:
    with trace.open("w") as file:
        faulthandler.enable(file)
        faulthandler.register(signal.SIGUSR1, file)
        work = make(folder)
        pipe.send(None)
        while True:
            try:
                number = pipe.recv()
            except EOFError:
                return
            pipe.send(work(number))
