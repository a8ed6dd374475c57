"""``ray.data.llm`` as its users write it, in an environment of its own.

It imports nothing of Tagline: that environment has an older vLLM and does not hold it.
The images are read by `ray.data.read_binary_files` from the same S3 server and opened with
Pillow in the processor's ``preprocess``; prompts come ready-made, so that the stages for
templates and tokens are off. Everything else is as it comes, but for the engine's
arguments, which are those of all contenders.
"""

from __future__ import annotations

import io
import json
import os
import sys
import time
from pathlib import Path
from typing import Any

import pyarrow.fs
import ray
from PIL import Image
from ray.data.llm import build_processor, vLLMEngineProcessorConfig
from ray.llm._internal.batch.stages import vLLMEngineStage
from ray.llm._internal.batch.stages.vllm_engine_stage import vLLMEngineStageUDF

READY_FILE = "BENCH_ENGINE_READY_FILE"


class TimedEngine(vLLMEngineStageUDF):
    """The same stage; leaves word in a file of how long its engine took to start."""

    def __init__(self, *args: Any, **options: Any) -> None:
        begun = time.time()
        super().__init__(*args, **options)
        ready = {"start_s": time.time() - begun, "at": time.time()}
        Path(os.environ[READY_FILE]).write_text(json.dumps(ready))


def contend(workload: dict[str, Any]) -> dict[str, Any]:
    """Annotate everything and write Parquet; returns an outcome's fields."""
    scratch = Path(workload["scratch"])
    ready_file, output = scratch / "ray-data-llm.ready.json", scratch / "ray-data-llm"
    ready_file.unlink(missing_ok=True)
    environment = workload["environment"] | {
        READY_FILE: str(ready_file),
        "RAY_USAGE_STATS_ENABLED": "0",
    }
    os.environ.update(environment)
    # As Tagline has it: else its workers would yield to whatever else the machine does.
    os.environ["RAY_worker_niceness"] = "0"  # noqa: SIM112 - as Ray spells it
    ray.init(
        address="local",
        num_cpus=max(4, os.cpu_count() or 1),
        include_dashboard=False,
        log_to_driver=False,
        runtime_env={"env_vars": environment},
    )
    ray.data.DataContext.get_current().enable_progress_bars = False
    answered = _processor(workload)(_images(workload)).materialize()
    answered.write_parquet(str(output), mode="overwrite")
    ended = time.time()
    rows = answered.take_all()
    ray.shutdown()
    ready = json.loads(ready_file.read_text())
    return {
        "items": len(rows),
        "seconds": ended - ready["at"],
        "engine_start_s": ready["start_s"],
        "output_tokens": sum(row["tokens"] for row in rows),
        "details": {},
    }


def _images(workload: dict[str, Any]) -> ray.data.Dataset:
    endpoint = workload["endpoint_url"].removeprefix("http://")
    server = pyarrow.fs.S3FileSystem(
        access_key=os.environ["AWS_ACCESS_KEY_ID"],
        secret_key=os.environ["AWS_SECRET_ACCESS_KEY"],
        region=os.environ["AWS_REGION"],
        endpoint_override=endpoint,
        scheme="http",
    )
    paths = [f"{workload['bucket']}/{key}" for key in workload["keys"]]
    return ray.data.read_binary_files(paths, filesystem=server, include_paths=True)


def _processor(workload: dict[str, Any]) -> Any:
    engine_args = {k: v for k, v in workload["engine_args"].items() if k != "model"}
    config = vLLMEngineProcessorConfig(
        model_source=workload["model"],
        engine_kwargs=engine_args | {"distributed_executor_backend": "mp"},
        log_engine_metrics=False,
        placement_group_config={"bundles": [{"CPU": 1}]},
        chat_template_stage=False,
        tokenize_stage=False,
        detokenize_stage=False,
    )
    sampling = {
        "max_tokens": workload["max_tokens"],
        "temperature": 0.0,
        "seed": workload["seed"],
        "stop_token_ids": workload["stop_token_ids"],
        "structured_outputs": {"json": json.dumps(workload["json_schema"])},
    }
    prompt = workload["prompt"]

    def preprocess(row: dict[str, Any]) -> dict[str, Any]:
        image = Image.open(io.BytesIO(row["bytes"])).convert("RGB")
        return {
            "prompt": prompt,
            "multimodal_data": {"image": [image]},
            "sampling_params": dict(sampling),
            "key": row["path"],
        }

    def postprocess(row: dict[str, Any]) -> dict[str, Any]:
        return {
            "key": row["key"],
            "caption": row["generated_text"],
            "tokens": row["num_generated_tokens"],
        }

    processor = build_processor(config, preprocess=preprocess, postprocess=postprocess)
    stage = processor.get_stage_by_name(processor.list_stage_names()[-1])
    assert isinstance(stage, vLLMEngineStage)
    # Not by assignment: that validates the stage anew, which then forgets its placement
    # and asks for a GPU.
    object.__setattr__(stage, "fn", TimedEngine)
    return processor


if __name__ == "__main__":
    given, outcome = map(Path, sys.argv[1:])
    outcome.write_text(json.dumps(contend(json.loads(given.read_text()))))
