"""What it costs that images are decoded in a process that may die."""

from __future__ import annotations

import io
import tempfile
import time
from collections.abc import Callable
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import pyarrow as pa

from operators.decode import DecodeOperator
from schemas.item import Item, Medium, PendingTask
from schemas.item_tables import items_to_plan
from schemas.job import MediaSpec, StorageSpec
from schemas.media import MediaKind
from tests.media import pictures

IMAGES = 1000
ITEMS_PER_CALL = 32
"""As many as a decode worker of a job is given at once, about."""

ROUNDS = 3
_SIDE = 256


def cost_of_isolation() -> dict[str, Any]:
    """Seconds for 1,000 small images in this process, and through a child: the best of 3.

    The child is given what a decode worker is given, a table of planned items, and its pixels
    come back as a table. Ray's own way of handing tables over is not in it.
    """
    with tempfile.TemporaryDirectory(prefix="tagline-fuzz-") as folder:
        plans = _plans(Path(folder), ITEMS_PER_CALL)
        singly = _plans(Path(folder), 1)
        operator = _operator()
        context = get_context("spawn")
        ours, theirs = context.Pipe()
        child = context.Process(target=_serve, args=(theirs,), daemon=True)
        child.start()
        theirs.close()
        try:
            ours.recv()
            times = {
                "in_process_s": _best(lambda: _here(operator, plans)),
                "child_s": _best(lambda: _there(ours, plans)),
                "in_process_singly_s": _best(lambda: _here(operator, singly)),
                "child_singly_s": _best(lambda: _there(ours, singly)),
            }
        finally:
            ours.close()
            child.join()
            operator.close()
    return {"images": IMAGES, "side": _SIDE, "items_per_call": ITEMS_PER_CALL, **times}


def _best(run: Callable[[], int]) -> float:
    seconds = []
    for _ in range(ROUNDS):
        started = time.perf_counter()
        assert run() == IMAGES
        seconds.append(time.perf_counter() - started)
    return round(min(seconds), 3)


def _plans(folder: Path, rows: int) -> list[pa.Table]:
    file = folder / "small.jpg"
    file.write_bytes(pictures.encoded(pictures.quadrants(_SIDE, _SIDE), "JPEG"))
    medium = Medium(str(file), file.stat().st_size, None)
    tasks = (PendingTask("caption", "f" * 32),)
    items = [Item(str(n), MediaKind.IMAGE, "1", (medium,), tasks) for n in range(IMAGES)]
    return [items_to_plan(items[start : start + rows]) for start in range(0, IMAGES, rows)]


def _operator() -> DecodeOperator:
    operator = DecodeOperator(StorageSpec(), MediaSpec(), 10**6, 10**6)
    operator.setup()
    return operator


def _here(operator: DecodeOperator, plans: list[pa.Table]) -> int:
    return sum(operator(plan).num_rows for plan in plans)


def _there(pipe: Connection, plans: list[pa.Table]) -> int:
    rows = 0
    for plan in plans:
        pipe.send_bytes(_packed(plan))
        rows += _unpacked(pipe.recv_bytes()).num_rows
    return rows


def _serve(pipe: Connection) -> None:
    operator = _operator()
    pipe.send(None)
    while True:
        try:
            plan = _unpacked(pipe.recv_bytes())
        except EOFError:
            operator.close()
            return
        pipe.send_bytes(_packed(operator(plan)))


def _packed(table: pa.Table) -> pa.Buffer:
    sink = io.BytesIO()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return sink.getbuffer()


def _unpacked(data: bytes) -> pa.Table:
    return pa.ipc.open_stream(data).read_all()
