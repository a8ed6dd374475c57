"""Operators as stages of a Ray Data graph.

An operator knows nothing of Ray; here it gets its CPUs and GPUs, its number of workers
and its place on the board. Each stage class wraps one operator, builds it on the worker,
and checks that no row was lost or doubled.
"""

from __future__ import annotations

import io
import logging
import os
import time
from collections.abc import Iterator
from dataclasses import asdict
from itertools import islice
from threading import Lock
from typing import Any, NoReturn

import pyarrow as pa
import pyarrow.parquet as pq
import ray

from operators.annotate import AnnotateOperator
from operators.decode import DecodeOperator, in_tables
from operators.storage import open_store
from pipeline.blame import Blame, Gate
from pipeline.board import BoardAssembly, Reporter
from pipeline.firsts import without_twins
from pipeline.journal import name_of
from schemas.failure import EngineError, FailureCode, ItemFailure, Stage, TaglineError
from schemas.item import DecodedItem, Item
from schemas.item_tables import ANNOTATED_SCHEMA, PLAN_SCHEMA, plan_to_items
from schemas.job import StorageSpec
from schemas.tables import WINDOWS_TASK

logger = logging.getLogger(__name__)

DECODE = "decode"
ANNOTATE = "annotate"
MAX_PART_BYTES = 1024**3


def _poison(stage: Stage, died: str, deaths_alone: int) -> ItemFailure:
    times = "once" if deaths_alone == 1 else f"{deaths_alone} times"
    return ItemFailure(
        stage,
        FailureCode.POISON,
        f"{died}, or the whole run, {times} that it was tried alone, after it had been there "
        "when others died; leave it out with input.exclude, or encode it anew",
    )


class ReadPlanStage:
    """Parts of the plan in, their items out."""

    def __init__(self, storage: StorageSpec) -> None:
        self._storage = storage

    def __call__(self, batch: pa.Table) -> Iterator[pa.Table]:
        """Read the parts named in column ``part``."""
        for uri in batch.column("part").to_pylist():
            data = open_store(uri, self._storage).get(uri, max_bytes=MAX_PART_BYTES)
            yield pq.read_table(io.BytesIO(data)).cast(PLAN_SCHEMA)


class DecodeStage:
    """Planned items in, decoded items out, a few at a time.

    Args:
        operator: Decodes.
        board: Handle of the board.
        rows_per_output: Most items of a table that comes out.
        attempts: Workers that one item may cost.
        sole: See `Blame`.
    """

    def __init__(
        self,
        operator: DecodeOperator,
        board: Any,
        rows_per_output: int,
        attempts: int,
        *,
        sole: bool = False,
    ) -> None:
        self._operator = operator
        self._rows_per_output = rows_per_output
        self._operator.setup()
        self._blame = Blame(board, DECODE, attempts, sole=sole)
        self._reporter = Reporter(board, DECODE)

    def __call__(self, batch: pa.Table) -> Iterator[pa.Table]:
        """Decode a batch; yields tables as they are ready, so that memory stays flat.

        If the worker dies, its successor begins anew with the same tables: Ray passes over as
        many of them as have left already. What a retry gives must therefore be the same, up
        to where its predecessor died.
        """
        items = plan_to_items(batch)
        names = [_name(item) for item in items]
        turn = self._blame.begin(names)
        if turn == "leave":
            return
        decoded = self._one_by_one(items) if turn == "alone" else self._operator.decoded(items)
        rows = 0
        for table in in_tables(decoded, self._rows_per_output):
            rows += _whole_items(table)
            self._reporter.report(asdict(self._operator.stats))
            yield table
        self._blame.end(names)
        self._reporter.report(asdict(self._operator.stats), now=True)
        _same_rows(DECODE, batch.num_rows, rows)

    def _one_by_one(self, items: list[Item]) -> Iterator[DecodedItem]:
        for item in items:
            name = _name(item)
            yield from self._blame.each_solely(name, self._alone(item, name))

    def _alone(self, item: Item, name: str) -> Iterator[DecodedItem]:
        if self._blame.guilty(name):
            # Its windows up to the deadly one have left in part.
            windows = self._blame.windows(name)
            if windows:
                yield from islice(self._operator.decoded([item]), windows)
            died = "decoding it killed the worker process"
            poison = _poison(Stage.DECODE, died, self._blame.deaths_alone)
            yield DecodedItem(item, None, poison)
        else:
            for one in self._operator.decoded([item]):
                if one.part is not None and one.part.is_window:
                    self._blame.gave(name, one.part.number + 1)
                yield one
            self._blame.end([name])

    def __del__(self) -> None:
        if hasattr(self, "_operator"):  # Ray makes an actor before it calls `__init__`.
            self._operator.close()


class AnnotateStage:
    """Decoded items in, a row for each item and task out. Called by many threads.

    Args:
        operator: Annotates.
        board: Handle of the board.
        attempts: Workers that one item may cost.
        sole: See `Blame`.
    """

    def __init__(
        self, operator: AnnotateOperator, board: Any, attempts: int, *, sole: bool = False
    ) -> None:
        self._operator = operator
        self._board = board
        self._blame = Blame(board, ANNOTATE, attempts, sole=sole)
        self._gate = Gate()
        self._reporter = Reporter(board, ANNOTATE)
        self._lock = Lock()
        started = time.monotonic()
        self._start()
        self._counters = {
            "start_s": time.monotonic() - started,
            "items": 0.0,
            "in_flight": 0.0,
            "prompt_tokens": 0.0,
            "output_tokens": 0.0,
        }
        self._reporter.report(self._counters, now=True)

    def _start(self) -> None:
        try:
            self._operator.setup(BoardAssembly(self._board))
        except TaglineError as error:
            # Ray shows the driver a traceback; the board carries the plain message.
            ray.get(self._board.fail.remote(str(error)))
            raise
        ray.get(self._board.engine_ready.remote())

    def __call__(self, batch: pa.Table) -> pa.Table:
        """Annotate a batch; leaves the process if the engine died.

        Ray then starts a fresh process and gives it every batch that this one held.
        """
        names = _names(batch)
        self._count(in_flight=batch.num_rows)
        turn = self._blame.begin(names)
        if turn == "leave":
            self._count(in_flight=-batch.num_rows)
            return ANNOTATED_SCHEMA.empty_table()
        asked, copied = without_twins(batch, self._operator, self._board)
        if turn == "alone":
            answered = [self._alone(row) for row in _rows(asked)]
        else:
            with self._gate.together():
                answered = [self._asked(asked)]
        annotated = pa.concat_tables([*answered, *copied])
        self._blame.end(names)
        _same_rows(ANNOTATE, *_owed_and_made(batch, annotated))
        self._count(
            items=_whole_items(batch),
            in_flight=-batch.num_rows,
            prompt_tokens=_total(annotated, "prompt_tokens"),
            output_tokens=_total(annotated, "output_tokens"),
        )
        return annotated

    def _alone(self, row: pa.Table) -> pa.Table:
        """Annotate one item while the engine holds no other."""
        [name] = _names(row)
        with self._gate.alone(), self._blame.solely(name):
            if self._blame.guilty(name):
                died = "annotating it killed the engine"
                poison = _poison(Stage.ANNOTATE, died, self._blame.deaths_alone)
                return self._operator.failed(row, poison)
            annotated = self._asked(row)
            self._blame.end([name])
        return annotated

    def _asked(self, batch: pa.Table) -> pa.Table:
        """Ask the engine; if it dies this does not return.

        To be called within the gate, so that nobody comes through it to a dead engine: that one
        would be taken for its killer.
        """
        try:
            return self._operator(batch)
        except EngineError as error:
            self._leave(error)

    def _leave(self, error: EngineError) -> NoReturn:
        logger.error("the engine died, leaving the process: %s", error)
        self._operator.close()
        os._exit(1)

    def __del__(self) -> None:
        if hasattr(self, "_operator"):  # Ray makes an actor before it calls `__init__`.
            self._operator.close()

    def _count(self, **changes: float) -> None:
        with self._lock:
            for name, change in changes.items():
                self._counters[name] += change
            self._reporter.report(self._counters, now=True)


def _name(item: Item) -> str:
    return name_of(item.item_id, item.item_version)


def _names(batch: pa.Table) -> list[str]:
    """What a worker is blamed for: an item, or one part of it."""
    columns = (batch.column(c).to_pylist() for c in ("item_id", "item_version", "part"))
    return [name_of(*about) for about in zip(*columns, strict=True)]


def _is_whole(batch: pa.Table) -> list[bool]:
    """For each decoded row, whether it is all of an item, or the last part of one."""
    columns = (batch.column("part").to_pylist(), batch.column("parts").to_pylist())
    return [part is None or parts is not None for part, parts in zip(*columns, strict=True)]


def _whole_items(batch: pa.Table) -> int:
    return sum(_is_whole(batch))


def _owed_and_made(batch: pa.Table, annotated: pa.Table) -> tuple[int, int]:
    """Rows owed and made of the items that came in one row.

    Those that came in parts have their rows with the part that completes them.
    """
    parts = batch.column("part").to_pylist()
    owed = {
        (item_id, task["name"])
        for item_id, tasks, part in zip(
            batch.column("item_id").to_pylist(),
            batch.column("tasks").to_pylist(),
            parts,
            strict=True,
        )
        for task in tasks
        if part is None and task["name"] != WINDOWS_TASK
    }
    whole = {item_id for item_id, _ in owed}
    keys = ("item_id", "task")
    made = zip(*(annotated.column(key).to_pylist() for key in keys), strict=True)
    return len(owed), sum(item_id in whole for item_id, _ in made)


def _rows(batch: pa.Table) -> Iterator[pa.Table]:
    return (batch.slice(index, 1) for index in range(batch.num_rows))


def _total(table: pa.Table, column: str) -> int:
    return sum(value or 0 for value in table.column(column).to_pylist())


def _same_rows(stage: str, rows_in: int, rows_out: int) -> None:
    if rows_in != rows_out:
        raise RuntimeError(f"stage {stage}: {rows_in} rows owed, {rows_out} rows made")
