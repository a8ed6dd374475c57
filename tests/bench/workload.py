"""What every contender is given: the same items, model, prompt and sampling."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer

from operators.engine_arguments import engine_arguments, engine_environment
from operators.models.base import PromptParts
from operators.models.checkpoint import read_config, read_geometry
from operators.models.registry import detect_family
from operators.tasks.base import Subject
from operators.tasks.registry import bind_task
from schemas.job import MediaSpec, ModelSpec, TaskSpec
from schemas.media import Frames, MediaKind

TASK = {"task": "caption", "max_chars": 120}
"""So short that an answer, held to its schema, takes about 24 tokens."""


@dataclass(frozen=True)
class Workload:
    """One set of images and one question; travels to the contenders as JSON.

    Attributes:
        endpoint_url: The S3 server.
        bucket: Its bucket.
        keys: The images' keys, all below ``<set>/``.
        model: Folder of the checkpoint.
        task: The job file's task, which the other fields are made of.
        prompt: As the family renders it, for one image.
        max_tokens: Longest answer.
        seed: Of each request.
        json_schema: What the answer is held to.
        stop_token_ids: Tokens that end an answer.
        max_image_pixels: Pixels to which Tagline shrinks.
        engine_args: vLLM's arguments, the same as Tagline's engine has.
        environment: Variables that vLLM reads, likewise.
        scratch: Folder for results and logs.
    """

    endpoint_url: str
    bucket: str
    keys: list[str]
    model: str
    task: dict[str, Any]
    prompt: str
    max_tokens: int
    seed: int
    json_schema: dict[str, Any]
    stop_token_ids: list[int]
    max_image_pixels: int
    engine_args: dict[str, Any]
    environment: dict[str, str]
    scratch: str

    def save(self, path: Path) -> None:
        """Write it as JSON."""
        path.write_text(json.dumps(asdict(self), indent=2))

    @staticmethod
    def load(path: Path) -> Workload:
        """The inverse of `save`."""
        return Workload(**json.loads(path.read_text()))


def make_workload(endpoint_url: str, bucket: str, keys: list[str], model: Path) -> Workload:
    """Ask the one question about these keys.

    Args:
        endpoint_url: The S3 server.
        bucket: Its bucket.
        keys: The images.
        model: Folder of a checkpoint; runs' scratch folders are made beside it.
    """
    vocabulary = Tokenizer.from_file(str(model / "tokenizer.json")).get_vocab()
    family, geometry = detect_family(read_config(model)), read_geometry(model)
    bound = bind_task(TaskSpec.model_validate(TASK))
    frames = Frames(MediaKind.IMAGE, bytes(3), ((1, 1),))
    asked = bound.task.question(bound.options, Subject(frames))
    parts = PromptParts(asked.system, asked.user)
    spec, scratch = ModelSpec(path=str(model)), model.parent
    arguments = engine_arguments(spec, family, geometry, MediaSpec(), gpus=0)
    environment = engine_environment(
        download=False,
        gpus=0,
        cpu_threads=None,
        logging_config=scratch / "unused",
        owner_pid=0,
    )
    return Workload(
        endpoint_url=endpoint_url,
        bucket=bucket,
        keys=keys,
        model=str(model),
        task=TASK,
        prompt=family.render(parts, frames),
        max_tokens=asked.max_tokens,
        seed=spec.seed,
        json_schema=asked.schema,
        stop_token_ids=[found for t in family.stop_tokens if (found := vocabulary.get(t))],
        max_image_pixels=geometry.max_image_pixels,
        engine_args=arguments,
        environment=environment.defaults,
        scratch=str(scratch),
    )
