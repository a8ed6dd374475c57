"""What of a job's model makes a row another one's."""

from __future__ import annotations

import pytest

from pipeline.model import owed_tasks, resolve_model
from schemas.job import JobSpec


def print_of(checkpoint, **model) -> str:
    job = JobSpec.model_validate(
        {
            "input": "/in",
            "output": "/out",
            "tasks": ["caption"],
            "model": {"path": str(checkpoint), **model},
        }
    )
    [owed] = owed_tasks(job, resolve_model(job))
    return owed.fingerprints["image"]


@pytest.mark.parametrize("name", ["kv_cache_dtype", "quantization", "mm_processor_kwargs"])
def test_an_engine_argument_that_changes_answers_makes_rows_stale(checkpoint, name):
    usual = print_of(checkpoint)
    assert print_of(checkpoint, engine_args={name: "fp8"}) != usual


@pytest.mark.parametrize("name", ["max_num_seqs", "gpu_memory_utilization", "enforce_eager"])
def test_one_that_only_says_how_it_runs_does_not(checkpoint, name):
    assert print_of(checkpoint, engine_args={name: 1}) == print_of(checkpoint)
