"""Which item gets the blame when a worker dies, at every place that the item may have.

The stages, their operators, the fake engine and the board are the real ones. What is not there
is Ray: a call to the board is a call, and a worker is an object that is made anew when it dies.
"""

from __future__ import annotations

import re
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any, NoReturn

import pytest
import ray
from hypothesis import given, settings
from hypothesis import strategies as st

from operators.annotate import AnnotateOperator
from operators.base import EngineSpec
from operators.decode import DecodeOperator
from operators.fake_engine import FakeEngine
from operators.models.base import Geometry
from operators.tasks.registry import bind_tasks
from pipeline import stages
from pipeline.board import Board
from pipeline.stages import ANNOTATE, DECODE, AnnotateStage, DecodeStage
from schemas.failure import EngineError
from schemas.item import DecodedItem, Item, Medium, PendingTask
from schemas.item_tables import ANNOTATED_SCHEMA, decoded_to_table, items_to_plan
from schemas.job import MediaSpec, StorageSpec, TaskSpec
from schemas.media import MediaKind, Part
from tests.fixtures.engines import picture

COUNT = 32
KILLED: Counter[str] = Counter()
"""How often an engine died of an item."""

GEOMETRY = Geometry(112, 14, 9, 16, 4096)
FRAMES = picture(16, 16)


class WorkerDied(BaseException):
    """Where a real worker would end its process."""


class Handle:
    """A process's handle of the board: one call at a time, none once the process is dead."""

    def __init__(self, board: Board, calls: threading.Lock) -> None:
        self._board, self._calls = board, calls
        self.dead = False

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._board, name)

        def remote(*told: Any) -> Any:
            with self._calls:
                if self.dead:
                    raise WorkerDied
                return method(*told)

        return SimpleNamespace(remote=remote)


class Silent:
    def __init__(self, *_: Any) -> None:
        pass

    def report(self, *_: Any, **__: Any) -> None:
        pass


@pytest.fixture(autouse=True, scope="module")
def without_ray() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ray, "get", lambda answer, timeout=None: answer)
        patch.setattr(stages, "Reporter", Silent)
        die = FakeEngine._die

        def noted(engine: FakeEngine, reason: str) -> None:
            KILLED.update(re.findall(r"item-\d+\.", reason))
            die(engine, reason)

        patch.setattr(FakeEngine, "_die", noted)
        yield


def name(number: int) -> str:
    return f"item-{number:02}."


def item(number: int) -> Item:
    medium = Medium(name(number), 1, "v1")
    return Item(name(number), MediaKind.IMAGE, "v1", (medium,), (PendingTask("caption", "f"),))


def batches(size: int) -> list[list[Item]]:
    items = [item(number) for number in range(COUNT)]
    return [items[start : start + size] for start in range(0, COUNT, size)]


class Annotators(AnnotateStage):
    """An engine's process."""

    def _leave(self, error: EngineError) -> NoReturn:
        # It takes a while to leave, in which other threads go on.
        time.sleep(0.002)
        self._board.dead = True
        raise WorkerDied


def annotated(
    poison: set[int], attempts: int, size: int
) -> tuple[list[dict[str, Any]], Counter[str]]:
    """Annotate all items; answers the rows, and how often a process died of which item."""
    board, calls = Board(), threading.Lock()
    behaviours = {name(number): "die" for number in poison}
    engine = EngineSpec("fake", {"geometry": GEOMETRY, "behaviours": behaviours})
    tasks = bind_tasks([TaskSpec(task="caption", name="caption")])
    left = [
        decoded_to_table([DecodedItem(one, FRAMES, None) for one in batch])
        for batch in batches(size)
    ]
    rows: list[dict[str, Any]] = []
    KILLED.clear()
    while left:
        operator = AnnotateOperator(engine, "minicpm-v-2.6", GEOMETRY, tasks)
        process = Annotators(operator, Handle(board, calls), attempts)
        again = []
        with ThreadPoolExecutor(len(left)) as threads:
            for batch, call in [(batch, threads.submit(process, batch)) for batch in left]:
                try:
                    rows += call.result().to_pylist()
                except WorkerDied:
                    again.append(batch)
        operator.close()
        left = again
        assert KILLED.total() <= COUNT, "it never ends"
    assert board.in_hand(ANNOTATE) == 0
    return rows, KILLED.copy()


class DecoderThatDies(DecodeOperator):
    """Ends its process at some items, and decodes nothing."""

    def __init__(self, poison: set[int], deaths: Counter[str]) -> None:
        super().__init__(StorageSpec(), MediaSpec(), 10**6, 10**6)
        self._poison, self._deaths = {name(number) for number in poison}, deaths

    def decoded(self, items: list[Item]) -> Iterator[DecodedItem]:
        for one in items:
            if one.item_id in self._poison:
                self._deaths[one.item_id] += 1
                raise WorkerDied(one.item_id)
            yield DecodedItem(one, FRAMES, None)


def decoded(
    poison: set[int], attempts: int, size: int
) -> tuple[list[dict[str, Any]], Counter[str]]:
    """Decode all items; as Ray does, what a dead worker had given is passed over."""
    board = Board()
    handle = Handle(board, threading.Lock())
    rows: list[dict[str, Any]] = []
    deaths: Counter[str] = Counter()
    for batch in batches(size):
        given, done = 0, False
        while not done:
            worker = DecodeStage(DecoderThatDies(poison, deaths), handle, 4, attempts)
            try:
                for number, table in enumerate(worker(items_to_plan(batch))):
                    if number == given:
                        rows += table.to_pylist()
                        given += 1
                done = True
            except WorkerDied:
                assert deaths.total() <= COUNT, "it never ends"
    assert board.in_hand(DECODE) == 0
    return rows, deaths


BOTH = pytest.mark.parametrize("work", [annotated, decoded])


def poisoned(rows: list[dict[str, Any]]) -> set[str]:
    """Who failed; every item must have come once."""
    assert sorted(row["item_id"] for row in rows) == [name(n) for n in range(COUNT)]
    failed = [row for row in rows if row["failure"] is not None]
    assert {row["failure"]["code"] for row in failed} <= {"poison"}
    return {row["item_id"] for row in failed}


@BOTH
@pytest.mark.parametrize(("size", "step"), [(COUNT, 1), (8, 3)])
def test_the_one_item_that_kills_is_found_wherever_it_is(work, size, step):
    for position in range(0, COUNT, step):
        rows, deaths = work({position}, 3, size)
        assert poisoned(rows) == {name(position)}
        assert deaths == {name(position): 3}


@BOTH
@pytest.mark.parametrize("attempts", [1, 2, 5])
def test_an_item_costs_as_many_workers_as_it_may(work, attempts):
    rows, deaths = work({17}, attempts, 8)
    assert poisoned(rows) == {name(17)}
    # Of one death among many, nobody can say whose it was.
    assert deaths == {name(17): max(2, attempts)}


@BOTH
@settings(max_examples=15)
@given(
    st.sets(st.integers(0, COUNT - 1), min_size=2, max_size=2),
    st.integers(1, 4),
    st.sampled_from([2, 8, COUNT]),
)
def test_of_two_that_kill_each_is_found_and_costs_no_more(work, poison, attempts, size):
    rows, deaths = work(poison, attempts, size)
    assert poisoned(rows) == {name(number) for number in poison}
    assert max(deaths.values()) <= max(2, attempts)


@BOTH
def test_where_nothing_kills_nobody_is_suspected(work):
    rows, deaths = work(set(), 3, 8)
    assert poisoned(rows) == set()
    assert deaths.total() == 0


class AtWork:
    """Who is at work on what, and whether two ever were at once."""

    def __init__(self) -> None:
        self.together = self.most = 0
        self._lock = threading.Lock()

    @contextmanager
    def on_something(self) -> Iterator[None]:
        with self._lock:
            self.together += 1
            self.most = max(self.most, self.together)
        time.sleep(0.001)
        yield
        with self._lock:
            self.together -= 1


class SlowDecoder(DecoderThatDies):
    """Makes of each item three parts."""

    at_work: AtWork

    def decoded(self, items: list[Item]) -> Iterator[DecodedItem]:
        for one in items:
            for number in range(3):
                with self.at_work.on_something():
                    part = Part(number, None if number < 2 else 3)
                    made = DecodedItem(one, FRAMES, None, part=part)
                yield made


class SlowAnnotator(AnnotateOperator):
    """Answers nothing."""

    at_work: AtWork

    def __call__(self, batch):
        with self.at_work.on_something():
            return ANNOTATED_SCHEMA.empty_table()


def test_of_suspects_one_is_worked_on_at_a_time_over_all_stages():
    board, calls, at_work = Board(), threading.Lock(), AtWork()
    engine = EngineSpec("fake", {"geometry": GEOMETRY})
    decoder = SlowDecoder(set(), Counter())
    annotator = SlowAnnotator(engine, "minicpm-v-2.6", GEOMETRY, [])
    decoder.at_work = annotator.at_work = at_work
    decoding = DecodeStage(decoder, Handle(board, calls), 1, 3, sole=True)
    annotating = AnnotateStage(annotator, Handle(board, calls), 3, sole=True)
    with ThreadPoolExecutor(2) as threads:
        asked = [
            threads.submit(annotating, table)
            for one in range(8)
            for table in decoding(items_to_plan([item(one)]))
        ]
    assert [call.result().num_rows for call in asked] == [0] * 24
    assert at_work.most == 1


def test_two_batches_of_poison_cost_what_each_of_them_may():
    rows, deaths = annotated(set(range(8, 16)), 2, 8)
    assert poisoned(rows) == {name(number) for number in range(8, 16)}
    assert max(deaths.values()) <= 2
    assert deaths.total() <= 9


@pytest.mark.parametrize("stage", [DecodeStage, AnnotateStage])
def test_a_stage_whose_process_ends_before_it_is_made_goes_quietly(stage: type) -> None:
    stage.__new__(stage).__del__()
