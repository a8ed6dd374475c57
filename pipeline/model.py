"""From the job's model section to a family, a geometry, an engine and fingerprints."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from operators.base import EngineSpec
from operators.models.base import Geometry, ModelFamily
from operators.models.checkpoint import find_checkpoint, read_config, read_geometry
from operators.models.identity import checkpoint_digest
from operators.models.registry import detect_family
from operators.models.registry import family as family_of
from operators.tasks.registry import WINDOWS, BoundTask, bind_task, bind_tasks
from pipeline.owed import OwedTask
from schemas.failure import UsageError
from schemas.fingerprint import DECODE_VERSION, fingerprint, part_digests
from schemas.job import JobSpec, VideoSampling
from schemas.media import MediaKind

# Engine arguments that change answers; the others (memory, parallelism) do not.
ANSWER_CHANGING_ARGS = (
    *("code_revision", "revision", "tokenizer", "tokenizer_mode", "tokenizer_revision"),
    *("hf_overrides", "load_format", "model_class_overrides", "model_impl", "default_mm_loras"),
    *("dtype", "kv_cache_dtype", "kv_cache_dtype_skip_layers", "mm_encoder_attn_dtype"),
    *("quantization", "quantization_config", "disable_sliding_window", "max_model_len", "seed"),
    *("generation_config", "override_generation_config", "logits_processors", "logprobs_mode"),
    *("mm_processor_kwargs", "video_pruning_method", "video_pruning_rate"),
)

VOCABULARIES = ("vocabulary", "taxonomy")
"""Options that hold the tags to choose from."""


@dataclass(frozen=True)
class ResolvedModel:
    """The job's model, found on disk.

    Attributes:
        family: How it is asked.
        geometry: What an image costs.
        folder: Where its checkpoint lies.
        name: As in the rows: the hub id, or the folder's name.
        identity: What of it changes answers.
        max_image_pixels: Images are shrunk to this on the decode workers.
        max_frame_pixels: Frames of videos likewise.
    """

    family: ModelFamily
    geometry: Geometry
    folder: Path
    name: str
    identity: dict[str, Any]
    max_image_pixels: int
    max_frame_pixels: int


def resolve_model(job: JobSpec) -> ResolvedModel:
    """Find the job's checkpoint and read what must be known of it.

    Raises:
        UsageError: If it is not there, of no known family, or cannot do the job's tasks.
    """
    spec = job.model
    folder = find_checkpoint(spec.path, spec.revision, download=spec.download)
    family = family_of(spec.family) if spec.family else detect_family(read_config(folder))
    geometry = read_geometry(folder)
    _check_tasks(job, family)
    return ResolvedModel(
        family=family,
        geometry=geometry,
        folder=folder,
        name=folder.name if Path(spec.path).is_dir() else spec.path,
        identity={
            "family": family.id,
            "checkpoint": checkpoint_digest(folder),
            "dtype": spec.dtype,
            "quantization": spec.quantization,
            "seed": spec.seed,
            "max_model_len": spec.max_model_len,
            "engine_args": {
                name: spec.engine_args[name]
                for name in ANSWER_CHANGING_ARGS
                if name in spec.engine_args
            },
        },
        max_image_pixels=job.media.max_pixels or geometry.max_image_pixels,
        max_frame_pixels=job.media.max_frame_pixels or geometry.max_frame_pixels,
    )


def _check_tasks(job: JobSpec, family: ModelFamily) -> None:
    for spec in job.tasks:
        takes = bind_task(spec).task.takes
        if not takes & family.takes:
            raise UsageError(
                f"task {spec.name!r} needs {' or '.join(sorted(takes))}, which "
                f"{family.id} does not take; see `tagline models`"
            )


def owed_tasks(job: JobSpec, model: ResolvedModel) -> list[OwedTask]:
    """Bind the job's tasks and compute what makes their rows current."""
    return [_owed(job, model, bound) for bound in bind_tasks(job.tasks)]


def owed_windows(
    job: JobSpec, model: ResolvedModel, tasks: Sequence[OwedTask]
) -> OwedTask | None:
    """The task that describes windows, if one of the job's tasks goes by them."""
    can_cut = cuts_videos(job.media.video) and MediaKind.VIDEO in model.family.takes
    if not can_cut or not any(owed.bound.goes_by_windows for owed in tasks):
        return None
    return _owed(job, model, WINDOWS)


def _owed(job: JobSpec, model: ResolvedModel, bound: BoundTask) -> OwedTask:
    goes_by_windows = bound.goes_by_windows or bound is WINDOWS
    parts = {
        str(kind): part_digests(
            {
                "model": model.identity,
                "media": media_policy(job, model, kind, goes_by_windows=goes_by_windows),
                **bound.fingerprint_parts(),
            }
        )
        for kind in sorted(bound.task.takes & model.family.takes)
    }
    vocabulary = _vocabulary_parts(bound.fingerprint_parts()["options"])
    return OwedTask(
        bound,
        {kind: fingerprint(of) for kind, of in parts.items()},
        {kind: of | vocabulary for kind, of in parts.items()},
    )


def _vocabulary_parts(options: dict[str, Any]) -> dict[str, str]:
    """Of a task's options the tags to choose from, told apart from the others.

    Only for people: a fingerprint has the options as one part.
    """
    tags = {name: options[name] for name in VOCABULARIES if options.get(name)}
    if not tags:
        return {}
    others = {name: value for name, value in options.items() if name not in tags}
    return part_digests({"vocabulary": tags, "options": others})


def cuts_videos(sampling: VideoSampling) -> bool:
    """Whether long videos are cut into windows."""
    return sampling.policy in ("fps", "keyframes") and sampling.max_windows > 1


def media_policy(
    job: JobSpec, model: ResolvedModel, kind: MediaKind, *, goes_by_windows: bool = False
) -> dict[str, Any]:
    """What of decoding changes the pixels that the model sees of one kind of item."""
    if kind is MediaKind.VIDEO:
        sampling = job.media.video.settings()
        if not (goes_by_windows and cuts_videos(job.media.video)):
            del sampling["max_windows"]
        return {
            "decode": DECODE_VERSION,
            "max_frame_pixels": model.max_frame_pixels,
            "sampling": sampling,
        }
    policy: dict[str, Any] = {"decode": DECODE_VERSION, "max_pixels": model.max_image_pixels}
    if kind is MediaKind.IMAGES:
        policy["images"] = job.media.images.model_dump(mode="json")
    return policy


def engine_spec(job: JobSpec, *, gpus: int, log_path: str | None) -> EngineSpec:
    """The engine that the job's model runs on; workers build it from this."""
    options = {"model": job.model, "media": job.media, "gpus": gpus, "log_path": log_path}
    if not gpus:
        options["cpu_threads"] = _cpu_threads(job.resources.engine_replicas)
    return EngineSpec("vllm", options)


def _cpu_threads(replicas: int) -> int:
    """Threads of an engine on a CPU: what the user has set, or its share of the cores.

    One core is left to the process that prepares images: OpenMP's threads spin while they
    wait, and would take turns with it. Ray's own setting, one thread a CPU that an actor
    reserves, knows nothing of that.
    """
    given = os.environ.get("OMP_NUM_THREADS", "")
    return int(given) if given.isdecimal() else max(1, (os.cpu_count() or 1) // replicas - 1)
