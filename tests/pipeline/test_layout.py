from __future__ import annotations

import pytest

from pipeline.budget import ItemCounts, over_budget
from pipeline.cluster import ClusterSize
from pipeline.graph import lay_out, shortage
from schemas.job import JobSpec, ResourceSpec

CPU_BOX = ClusterSize(cpus=4, gpus=0, started_here=True)
GPU_BOX = ClusterSize(cpus=32, gpus=2, started_here=False, gpu_build=True)


def test_a_cpu_machine_shares_its_cores_between_decoding_and_the_engine():
    layout = lay_out(ResourceSpec(), CPU_BOX, 1000)
    assert (layout.decode_workers, layout.gpus_per_replica) == (2, 0)


def test_beside_gpus_decoding_gets_every_cpu_that_the_engines_leave():
    resources = ResourceSpec(engine_replicas=2, cpus_per_replica=4)
    layout = lay_out(resources, GPU_BOX, 10**6)
    assert layout.gpus_per_replica == 1
    assert layout.decode_workers == 23


def test_a_cluster_that_shows_no_gpu_yet_is_asked_for_one():
    growing = ClusterSize(cpus=4, gpus=0, started_here=False, gpu_build=True)
    layout = lay_out(ResourceSpec(), growing, 1000)
    assert layout.gpus_per_replica == 1
    assert "1 GPUs" in (shortage(layout, growing) or "")


def test_what_the_job_says_wins():
    resources = ResourceSpec(engine_replicas=1, gpus_per_replica=2, decode_workers=5)
    layout = lay_out(resources, GPU_BOX, 10**6)
    assert (layout.gpus_per_replica, layout.decode_workers) == (2, 5)


@pytest.mark.parametrize("items", [1, 7, 100, 10**6])
def test_enough_items_are_in_flight_and_few_items_still_spread(items):
    layout = lay_out(ResourceSpec(requests_in_flight=64), CPU_BOX, items)
    assert layout.calls_in_flight * layout.items_per_call >= 64
    assert 1 <= layout.items_per_call <= 8
    if items > 1:
        assert -(-items // layout.items_per_call) >= layout.decode_workers


def test_what_a_cluster_lacks_is_said_and_what_fits_is_not():
    fits = lay_out(ResourceSpec(), CPU_BOX, 1000)
    assert shortage(fits, CPU_BOX) is None
    large = lay_out(ResourceSpec(decode_workers=9, gpus_per_replica=1), CPU_BOX, 1000)
    said = shortage(large, CPU_BOX)
    assert said is not None
    assert "11 CPUs and 1 GPUs" in said


def job(budget) -> JobSpec:
    return JobSpec.model_validate(
        {
            "input": "/in",
            "tasks": ["caption"],
            "output": "/out",
            "failures": {"budget": budget, "min_sample": 10},
        }
    )


@pytest.mark.parametrize(
    ("budget", "done", "failed", "finished", "over"),
    [
        (0, 100, 1, False, True),
        (0, 100, 0, True, False),
        (2, 0, 2, False, False),
        (2, 0, 3, False, True),
        (0.5, 0, 9, False, False),
        (0.5, 0, 10, False, True),
        (0.5, 0, 1, True, True),
        (0.5, 5, 5, True, False),
        (0.0, 99, 1, False, True),
        (1.0, 0, 100, True, False),
        (0.1, 0, 0, True, False),
    ],
)
def test_the_error_budget(budget, done, failed, finished, over):
    assert (
        over_budget(job(budget).failures, ItemCounts(done, failed), finished=finished) is over
    )
