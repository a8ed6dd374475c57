from __future__ import annotations

import json
from pathlib import Path

import pytest

from operators.engine_arguments import (
    engine_arguments,
    engine_environment,
    logging_configuration,
)
from operators.models.base import Geometry
from operators.models.registry import family
from schemas.job import MediaSpec, ModelSpec, VideoSampling

PUBLISHED = Geometry(448, 14, 9, 64, 32768)
FAMILY = family("minicpm-v-2.6")
MODEL = ModelSpec(path="openbmb/MiniCPM-V-2_6", revision="abc", quantization="fp8", seed=7)


def arguments(model: ModelSpec = MODEL, frames: int = 32, gpus: int = 2) -> dict:
    media = MediaSpec(video=VideoSampling(max_frames=frames))
    return engine_arguments(model, FAMILY, PUBLISHED, media, gpus)


def test_what_two_gpus_are_told() -> None:
    assert arguments() == {
        "model": "openbmb/MiniCPM-V-2_6",
        "revision": "abc",
        "code_revision": "abc",
        "tokenizer_revision": "abc",
        "dtype": "auto",
        "quantization": "fp8",
        "seed": 7,
        "max_model_len": None,
        "tensor_parallel_size": 2,
        "trust_remote_code": True,
        "enable_prefix_caching": True,
        "limit_mm_per_prompt": {"image": 8, "video": 1},
        "max_num_batched_tokens": 2048,
        "mm_processor_cache_gb": 1,
        "structured_outputs_config": {"backend": "xgrammar", "disable_any_whitespace": True},
        "disable_log_stats": True,
        "use_tqdm_on_load": False,
    }


@pytest.mark.parametrize(("frames", "tokens"), [(8, 2048), (64, 4096), (256, 16384)])
def test_the_token_batch_grows_with_the_frames(frames: int, tokens: int) -> None:
    assert arguments(frames=frames)["max_num_batched_tokens"] == tokens


def test_a_cpu_gets_no_more_context_than_its_media_need() -> None:
    told = arguments(gpus=0, frames=64)
    assert told["tensor_parallel_size"] == 1
    assert told["enforce_eager"] is True
    assert 64 * 66 + 2048 <= told["max_model_len"] <= PUBLISHED.context_tokens


def test_the_context_asked_for_is_taken_on_a_cpu_too() -> None:
    assert arguments(ModelSpec(max_model_len=1234), gpus=0)["max_model_len"] == 1234


def test_the_users_engine_arguments_go_first() -> None:
    model = ModelSpec(engine_args={"max_num_seqs": 4, "enforce_eager": False})
    told = arguments(model, gpus=0)
    assert (told["max_num_seqs"], told["enforce_eager"]) == (4, False)


def environment(**changed):
    usual = {
        "download": False,
        "gpus": 0,
        "cpu_threads": None,
        "logging_config": Path("/tmp/x.json"),
        "owner_pid": 42,
    }
    return engine_environment(**{**usual, **changed})


def test_nothing_is_reported_or_fetched_unless_asked() -> None:
    defaults = environment().defaults
    assert defaults["VLLM_NO_USAGE_STATS"] == defaults["DO_NOT_TRACK"] == "1"
    assert defaults["HF_HUB_OFFLINE"] == "1"
    assert "HF_HUB_OFFLINE" not in environment(download=True).defaults


def test_cpu_settings_are_for_cpus_only() -> None:
    assert int(environment().defaults["VLLM_CPU_KVCACHE_SPACE"]) >= 1
    on_gpu = environment(gpus=1)
    assert not any("CPU" in name for name in on_gpu.required | on_gpu.defaults)
    assert "VLLM_ENABLE_V1_MULTIPROCESSING" not in on_gpu.required


def test_threads_asked_for_are_not_a_default() -> None:
    assert environment(cpu_threads=3).required["OMP_NUM_THREADS"] == "3"
    assert "OMP_NUM_THREADS" not in environment().required


def test_the_log_goes_to_the_file_alone() -> None:
    configuration = json.loads(logging_configuration(Path("/tmp/vllm.log")))
    assert configuration["handlers"]["file"]["filename"] == "/tmp/vllm.log"
    assert configuration["loggers"]["vllm"] == {
        "handlers": ["file"],
        "level": "INFO",
        "propagate": False,
    }
