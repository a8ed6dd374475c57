"""End a Ray Data graph while it is waiting for its next block.

A thread that waits in Ray Data cannot be told to stop, and to leave Ray under it ends the whole
process. Ray Data does call back between two steps of its scheduling, and what is raised there
ends the graph, the waiting thread included.
"""

from __future__ import annotations

import threading

from ray.data import DataContext
from ray.data._internal.execution.execution_callback import ExecutionCallback


class GraphInterrupted(Exception):
    """The graph was asked to end."""


class _EndsWhenAsked(ExecutionCallback):
    """What Ray Data calls; it makes one for each graph, in the process that starts it."""

    current = threading.Event()

    def before_execution_starts(self, executor: object) -> None:
        self._asked = _EndsWhenAsked.current

    def on_execution_step(self, executor: object) -> None:
        if self._asked.is_set():
            raise GraphInterrupted


class Interruption:
    """Lets the next graph that this process starts be ended, and no other."""

    def __init__(self) -> None:
        self._asked = _EndsWhenAsked.current = threading.Event()
        DataContext.get_current().custom_execution_callback_classes = [_EndsWhenAsked]

    def ask(self) -> None:
        """Have the graph end at its next step, which is at most a second away."""
        self._asked.set()
