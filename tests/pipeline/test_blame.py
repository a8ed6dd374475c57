"""Items that kill the process they are given to."""

from __future__ import annotations

import os
import sys
import threading
import time
from pathlib import Path

import pytest
from ray import cloudpickle

from operators.annotate import AnnotateOperator
from operators.base import EngineSpec
from operators.decode import DecodeOperator
from operators.models.checkpoint import read_geometry
from operators.sources.listing import list_items
from operators.tasks.registry import bind_tasks
from pipeline.blame import Gate
from pipeline.board import start_board
from pipeline.graph import annotated_tables, configure_ray_data, lay_out
from pipeline.owed import OwedTask
from pipeline.plan import make_plan
from schemas.inputs import InputSpec
from schemas.job import (
    MediaSpec,
    ResourceSpec,
    StorageSpec,
    TaskSpec,
)
from tests.pipeline.conftest import draw
from tests.pipeline.rows import bound

STORAGE = StorageSpec()


class DecoderThatDies(DecodeOperator):
    """Ends its process without a word at one file, as a crashing codec would."""

    def decoded(self, items):
        if any("poison" in item.item_id for item in items):
            os._exit(1)
        yield from super().decoded(items)


@pytest.mark.parametrize("position", [3])
def test_a_file_that_kills_the_decoder_costs_itself_alone(
    position, tmp_path: Path, checkpoint, local_ray
):
    cloudpickle.register_pickle_by_value(sys.modules[__name__])
    for number in range(8):
        name = f"{number}-poison.png" if number == position else f"{number}.png"
        draw(tmp_path / "in" / name, number)
    geometry = read_geometry(checkpoint)
    plan = make_plan(
        list_items(InputSpec(uris=(str(tmp_path / "in"),)), STORAGE),
        [OwedTask(bound("caption"), {"image": "f"})],
        str(tmp_path / "out"),
        STORAGE,
        run_id="r",
        attempts=3,
    )
    configure_ray_data()
    pixels = geometry.max_image_pixels
    annotate = AnnotateOperator(
        EngineSpec("fake", {"geometry": geometry}),
        "minicpm-v-2.6",
        geometry,
        bind_tasks([TaskSpec(task="caption", name="caption")]),
    )
    layout = lay_out(ResourceSpec(decode_workers=1), local_ray, 8)
    decode = DecoderThatDies(STORAGE, MediaSpec(), pixels, pixels)
    tables = annotated_tables(plan, STORAGE, decode, annotate, layout, start_board(), 3)
    rows = [row for table in tables for row in table.to_pylist()]
    assert len({row["item_id"] for row in rows}) == len(rows) == 8
    failed = [row for row in rows if row["failure"]]
    assert [(Path(row["item_id"]).name, row["failure"]["code"]) for row in failed] == [
        (f"{position}-poison.png", "poison")
    ]


def test_the_gate_lets_many_in_together_and_one_alone():
    gate, inside, most, mixed = Gate(), [], [], []
    lock = threading.Lock()

    def enter(alone: bool) -> None:
        with gate.alone() if alone else gate.together():
            with lock:
                inside.append(alone)
                most.append(len(inside))
                mixed.append(any(inside) and len(inside) > 1)
            time.sleep(0.01)
            with lock:
                inside.remove(alone)

    threads = [threading.Thread(target=enter, args=(n % 5 == 0,)) for n in range(40)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert not any(thread.is_alive() for thread in threads)
    assert len(most) == 40
    assert max(most) > 1
    assert not any(mixed)
