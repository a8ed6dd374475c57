"""Items that kill the process they are given to."""

from __future__ import annotations

import os
import sys
import threading
import time
from pathlib import Path

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
from pipeline.interruption import Interruption
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
ATTEMPTS = 2


class DecoderThatDies(DecodeOperator):
    """Ends its process without a word at one file, as a crashing codec would."""

    def decoded(self, items):
        if any("poison" in item.item_id for item in items):
            os._exit(1)
        yield from super().decoded(items)


class AnnotatorThatCounts(AnnotateOperator):
    """Notes each start of its engine in a file."""

    starts: Path

    def setup(self, assembly=None):
        with open(self.starts, "a") as file:
            file.write("started\n")
        super().setup(assembly)


def test_items_that_kill_decoder_and_engine_cost_themselves_alone(
    tmp_path: Path, checkpoint, local_ray
):
    cloudpickle.register_pickle_by_value(sys.modules[__name__])
    names = [f"{number:02}.png" for number in range(32)]
    names[3], names[30] = "03-poison.png", "30-deadly.png"
    for number, name in enumerate(names):
        draw(tmp_path / "in" / name, number)
    geometry = read_geometry(checkpoint)
    plan = make_plan(
        list_items(InputSpec(uris=(str(tmp_path / "in"),)), STORAGE),
        [OwedTask(bound("caption"), {"image": "f"})],
        str(tmp_path / "out"),
        STORAGE,
        run_id="r",
        attempts=ATTEMPTS,
    )
    configure_ray_data()
    pixels = geometry.max_image_pixels
    annotate = AnnotatorThatCounts(
        EngineSpec("fake", {"geometry": geometry, "behaviours": {"deadly": "die"}}),
        "minicpm-v-2.6",
        geometry,
        bind_tasks([TaskSpec(task="caption", name="caption")]),
    )
    annotate.starts = tmp_path / "starts"
    layout = lay_out(ResourceSpec(decode_workers=1), local_ray, len(names))
    decode = DecoderThatDies(STORAGE, MediaSpec(), pixels, pixels)
    board = start_board()
    Interruption()  # Else an earlier run's end would be this graph's as well.
    tables = annotated_tables(plan, STORAGE, decode, annotate, layout, board, ATTEMPTS)
    rows = [row for table in tables for row in table.to_pylist()]
    assert sorted(Path(row["item_id"]).name for row in rows) == names
    failed = {Path(row["item_id"]).name: row["failure"] for row in rows if row["failure"]}
    assert {name: (why["stage"], why["code"]) for name, why in failed.items()} == {
        names[3]: ("decode", "poison"),
        names[30]: ("annotate", "poison"),
    }
    assert len(annotate.starts.read_text().splitlines()) <= ATTEMPTS + 1


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
