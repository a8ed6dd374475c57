"""The Ray Data graph: plan -> fetch and decode -> annotate."""

from __future__ import annotations

import math
from collections.abc import Generator
from dataclasses import dataclass, replace
from typing import Any

import pyarrow as pa
import ray
from ray.data import ActorPoolStrategy, DataContext

from operators.annotate import AnnotateOperator
from operators.decode import DecodeOperator
from pipeline.cluster import ClusterSize
from pipeline.plan import Plan
from pipeline.stages import AnnotateStage, DecodeStage, ReadPlanStage
from schemas.item_tables import ANNOTATED_SCHEMA
from schemas.job import ResourceSpec, StorageSpec

MOST_ITEMS_PER_CALL = 8
BLOCK_BYTES = 64 * 1024**2
READ_PLAN_CPUS = 0.25
# Reading the plan and cutting it into blocks needs a CPU that no worker holds for good:
# without one the graph would wait for itself.
SPARE_CPUS = 1


@dataclass(frozen=True)
class Layout:
    """How the graph is laid out on the cluster.

    Attributes:
        decode_workers: Decode processes, one CPU each.
        engine_replicas: Engine processes.
        gpus_per_replica: GPUs of each.
        cpus_per_replica: CPUs of each.
        items_per_call: Items that one engine call holds.
        calls_in_flight: Calls that each engine process runs at once.
    """

    decode_workers: int
    engine_replicas: int
    gpus_per_replica: int
    cpus_per_replica: float
    items_per_call: int
    calls_in_flight: int


def lay_out(resources: ResourceSpec, cluster: ClusterSize, items: int) -> Layout:
    """Choose the layout from what the job says and the cluster has.

    Where vLLM's build is for CPUs the engine computes on them itself, so that decoding
    gets half of them; beside GPUs it gets all that the engines leave.
    """
    gpus = resources.gpus_per_replica
    if gpus is None:
        gpus = 1 if cluster.gpu_build else 0
    engine_cpus = resources.engine_replicas * resources.cpus_per_replica
    free = math.floor(cluster.cpus - engine_cpus - SPARE_CPUS)
    if not gpus:
        free = min(free, math.floor(cluster.cpus / 2))
    workers = resources.decode_workers or max(1, free)
    per_call = max(1, min(MOST_ITEMS_PER_CALL, math.ceil(items / (2 * workers))))
    return Layout(
        decode_workers=workers,
        engine_replicas=resources.engine_replicas,
        gpus_per_replica=gpus,
        cpus_per_replica=resources.cpus_per_replica,
        items_per_call=per_call,
        calls_in_flight=max(2, math.ceil(resources.requests_in_flight / per_call)),
    )


def shortage(layout: Layout, cluster: ClusterSize) -> str | None:
    """What the cluster lacks for a layout, for the user; None if nothing."""
    engines = layout.engine_replicas
    cpus = layout.decode_workers + engines * layout.cpus_per_replica + SPARE_CPUS
    gpus = engines * layout.gpus_per_replica
    if cpus <= cluster.cpus and gpus <= cluster.gpus:
        return None
    return (
        f"the job needs {cpus:g} CPUs and {gpus:g} GPUs, and Ray has {cluster.cpus:g} and "
        f"{cluster.gpus:g}; lower resources.decode_workers, engine_replicas or "
        "gpus_per_replica, or add machines"
    )


def configure_ray_data() -> None:
    """Set what Ray Data takes only from its process-wide context."""
    context = DataContext.get_current()
    context.enable_progress_bars = False
    context.print_on_execution_start = False
    context.enable_auto_log_stats = False
    context.target_max_block_size = BLOCK_BYTES
    # A block that fails must end the job loudly: raised, this number drops whole blocks.
    context.max_errored_blocks = 0
    context.execution_options.preserve_order = False


def annotated_tables(
    plan: Plan,
    storage: StorageSpec,
    decode: DecodeOperator,
    annotate: AnnotateOperator,
    layout: Layout,
    board: Any,
    attempts: int,
) -> Generator[pa.Table, None, None]:
    """Run the graph; yields tables of `ANNOTATED_SCHEMA` as they are ready.

    Items that may have taken whole runs with them come last: in a graph of their own, with one
    worker of each stage, of which one at a time works on one item.

    Args:
        plan: What to do.
        storage: How stores are reached.
        decode: Run by each decode worker.
        annotate: Run by each engine process.
        layout: How many there are of each.
        board: Handle of the board.
        attempts: Workers that one item may cost.
    """
    made = (storage, decode, annotate)
    if plan.parts:
        yield from _tables(plan.parts, *made, layout, board, attempts)
    if plan.suspects:
        one = replace(
            layout, decode_workers=1, engine_replicas=1, items_per_call=1, calls_in_flight=1
        )
        yield from _tables(plan.suspects, *made, one, board, attempts, sole=True)


def _tables(
    uris: list[str],
    storage: StorageSpec,
    decode: DecodeOperator,
    annotate: AnnotateOperator,
    layout: Layout,
    board: Any,
    attempts: int,
    *,
    sole: bool = False,
) -> Generator[pa.Table, None, None]:
    parts = pa.table({"part": uris})
    blocks = [parts.slice(index, 1) for index in range(parts.num_rows)]
    dataset = (
        ray.data.from_arrow(blocks)
        .map_batches(
            ReadPlanStage(storage).__call__,
            batch_format="pyarrow",
            num_cpus=READ_PLAN_CPUS,
        )
        .repartition(target_num_rows_per_block=layout.items_per_call)
        .map_batches(
            DecodeStage,
            fn_constructor_args=(decode, board, layout.items_per_call, attempts),
            fn_constructor_kwargs={"sole": sole},
            batch_size=None,
            batch_format="pyarrow",
            compute=ActorPoolStrategy(size=layout.decode_workers),
            num_cpus=1,
        )
        .map_batches(
            AnnotateStage,
            fn_constructor_args=(annotate, board, attempts),
            fn_constructor_kwargs={"sole": sole},
            batch_size=layout.items_per_call,
            batch_format="pyarrow",
            compute=ActorPoolStrategy(
                size=layout.engine_replicas,
                max_tasks_in_flight_per_actor=layout.calls_in_flight + 2,
                max_concurrent_calls_per_actor=layout.calls_in_flight,
                enable_true_multi_threading=True,
            ),
            num_cpus=layout.cpus_per_replica,
            num_gpus=layout.gpus_per_replica,
        )
    )
    for batch in dataset.iter_batches(batch_size=None, batch_format="pyarrow"):
        yield batch.cast(ANNOTATED_SCHEMA)
