"""What vLLM is told: its arguments, and the environment of its processes."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from operators.engine_plugin import OWNER_VARIABLE
from operators.models.base import Geometry, ModelFamily
from schemas.failure import EngineError
from schemas.job import MediaSpec, ModelSpec

CPU_TEXT_TOKENS = 2048
"""Room for instruction, text and answer beside the media, where it is not asked for."""

GIB = 1024**3


def engine_arguments(
    model: ModelSpec, family: ModelFamily, geometry: Geometry, media: MediaSpec, gpus: int
) -> dict[str, Any]:
    """The keyword arguments of vLLM's ``AsyncEngineArgs``.

    Args:
        model: The job's model section; its ``engine_args`` go before everything here.
        family: The model's family.
        geometry: The checkpoint's.
        media: The job's media section.
        gpus: GPUs of this engine, which share the model (tensor parallel); 0 for a CPU.
    """
    arguments: dict[str, Any] = {
        "model": model.path,
        "revision": model.revision,
        "code_revision": model.revision,
        "tokenizer_revision": model.revision,
        "dtype": model.dtype,
        "quantization": model.quantization,
        "seed": model.seed,
        "max_model_len": model.max_model_len,
        "tensor_parallel_size": max(gpus, 1),
        "enable_prefix_caching": True,
        "mm_processor_cache_gb": 1,
        "structured_outputs_config": {"backend": "xgrammar", "disable_any_whitespace": True},
        "disable_log_stats": True,
        "use_tqdm_on_load": False,
        **family.engine_args(geometry, media.video.max_frames, media.images.max),
    }
    if gpus == 0:
        arguments |= _cpu_arguments(arguments, geometry)
    return arguments | model.engine_args


def _cpu_arguments(arguments: dict[str, Any], geometry: Geometry) -> dict[str, Any]:
    """What makes vLLM start soon and stay small on a CPU.

    One process runs the model (``uni``): the separate worker that vLLM starts otherwise
    costs another import of it, half of the whole start.
    """
    images = arguments["limit_mm_per_prompt"]["image"]
    # Around each slice go two tokens, so a medium takes a little more than its embeddings.
    delimited = geometry.query_num + 3
    slices = (1 + geometry.max_slice_nums) * images
    frames = arguments["max_num_batched_tokens"] // geometry.query_num
    media_tokens = max(slices * delimited, frames * delimited)
    context = min(media_tokens + CPU_TEXT_TOKENS, geometry.context_tokens)
    return {
        "enforce_eager": True,
        "skip_mm_profiling": True,
        "distributed_executor_backend": "uni",
        "max_model_len": arguments["max_model_len"] or context,
    }


def require_gpus(wanted: int) -> None:
    """Make sure that this machine has GPUs for the engine. Loads PyTorch.

    Raises:
        EngineError: If PyTorch sees fewer.
    """
    if wanted == 0:
        return
    import torch

    found = torch.cuda.device_count()
    if found < wanted:
        raise EngineError(
            f"the engine is to use {wanted} GPU(s), but PyTorch {torch.__version__} sees "
            f"{found}; lower resources.gpus_per_replica, or install tagline[gpu]"
        )


@dataclass(frozen=True)
class Environment:
    """Environment variables of the engine's processes.

    Attributes:
        required: Set whatever stands there.
        defaults: Set only where the user has not: usage statistics, say, can be switched on
            again.
    """

    required: dict[str, str]
    defaults: dict[str, str]


def engine_environment(
    *, download: bool, gpus: int, cpu_threads: int | None, logging_config: Path, owner_pid: int
) -> Environment:
    """The environment of the engine's processes.

    Args:
        download: Whether the hub may be asked.
        gpus: GPUs of this engine; 0 for a CPU.
        cpu_threads: Threads that compute; None for one a core.
        logging_config: File of `logging_configuration`.
        owner_pid: The process whose end is the engine's end; see `operators.engine_plugin`.
    """
    required = {
        OWNER_VARIABLE: str(owner_pid),
        "VLLM_LOGGING_CONFIG_PATH": str(logging_config),
    }
    defaults = {
        "DO_NOT_TRACK": "1",
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "TRANSFORMERS_VERBOSITY": "error",
        "VLLM_NO_USAGE_STATS": "1",
    }
    if not download:
        defaults |= {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1"}
    if gpus == 0:
        # vLLM forbids the executor `uni` on a CPU unless this is off; the engine runs in a
        # process of its own nevertheless.
        required["VLLM_ENABLE_V1_MULTIPROCESSING"] = "0"
        memory = psutil.virtual_memory().total
        defaults["VLLM_CPU_KVCACHE_SPACE"] = str(_kv_cache_gib(memory))
        defaults["OMP_NUM_THREADS"] = str(len(os.sched_getaffinity(0)))
        if cpu_threads is not None:
            required["OMP_NUM_THREADS"] = str(cpu_threads)
    return Environment(required, defaults)


def _kv_cache_gib(memory_bytes: int) -> int:
    """GiB of KV cache on a CPU: a sixteenth of the memory, between 1 and 16."""
    return min(max(memory_bytes // (16 * GIB), 1), 16)


def logging_configuration(log_path: Path) -> str:
    """A ``logging.config`` dictionary, as JSON, that sends all of vLLM's log to a file."""
    return json.dumps(
        {
            "version": 1,
            "disable_existing_loggers": False,
            "formatters": {
                "line": {"format": "%(asctime)s %(levelname)s %(process)d %(name)s %(message)s"}
            },
            "handlers": {
                "file": {
                    "class": "logging.FileHandler",
                    "filename": str(log_path),
                    "formatter": "line",
                    "encoding": "utf-8",
                }
            },
            "loggers": {"vllm": {"handlers": ["file"], "level": "INFO", "propagate": False}},
        }
    )
