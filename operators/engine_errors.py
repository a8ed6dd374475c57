"""vLLM's errors on Tagline's tree.

They are told apart by the names of their classes, so that this module, and its tests, do
not load vLLM.
"""

from __future__ import annotations

import re
from pathlib import Path

from schemas.failure import (
    EngineError,
    FailureCode,
    ItemFailure,
    Stage,
    TaglineError,
    exception_digest,
)

LOG_TAIL_BYTES = 64 * 1024

_DEATH = frozenset({"EngineDeadError"})
_REFUSAL = frozenset({"VLLMClientError", "ValueError", "TypeError", "EngineGenerateError"})
_TOO_LONG = re.compile(
    r"longer than the maximum model length|maximum context length", re.IGNORECASE
)
_TOO_MUCH = re.compile(r"exceeds the\s+pre-allocated encoder cache", re.IGNORECASE)

_REMEDIES = (
    (r"No module named 'vllm'", "install the engine: pip install 'tagline[cpu]' or [gpu]"),
    (
        r"No module named 'timm'|install timm",
        "this family needs the timm package: pip install timm",
    ),
    (
        r"out of memory|Available memory|larger than the available KV cache|No available memory"
        r"|Cannot allocate|less than desired",
        "there is too little memory: lower model.max_model_len, or use more GPUs "
        "(resources.gpus_per_replica)",
    ),
    (r"only supports versions|are not supported for now", "this vLLM cannot run the model"),
    (
        r"trust_remote_code|does not appear to have a file|Missing auto_map",
        "the checkpoint's own Python modules cannot be loaded: is its folder complete?",
    ),
    (
        r"unexpected keyword argument|validation error",
        "check model.engine_args against vLLM's AsyncEngineArgs",
    ),
)


def request_failure(error: BaseException, log_path: Path | None) -> BaseException:
    """What a request's future raises for an error of vLLM's.

    Args:
        error: What vLLM raised.
        log_path: vLLM's log.

    Returns:
        `ItemFailure` when the request is at fault, `EngineError` when the engine died;
        anything else as it is.
    """
    if isinstance(error, TaglineError):
        return error
    names = {cls.__name__ for cls in type(error).__mro__}
    if names & _DEATH:
        return EngineError(f"the engine died (log: {log_path})")
    if not names & _REFUSAL:
        return error
    reason = _reason(error)
    code = FailureCode.ENGINE_REFUSED
    remedy = ""
    if _TOO_LONG.search(reason):
        code = FailureCode.PROMPT_TOO_LONG
        remedy = "; raise model.max_model_len, or send fewer frames or images"
    elif _TOO_MUCH.search(reason):
        code = FailureCode.PROMPT_TOO_LONG
        remedy = "; raise model.engine_args.max_num_batched_tokens, or send fewer frames"
    message = f"the engine refused it: {reason}{remedy}"
    return ItemFailure(Stage.ANNOTATE, code, message, exception=exception_digest(error))


def _reason(error: BaseException) -> str:
    """The error's own words; those of its cause where it has none."""
    cause = error.__cause__
    text = str(error)
    if cause is not None and not text:
        text = f"{type(cause).__name__}: {cause}"
    return text or type(error).__name__


def start_error(
    error: BaseException, path: str, gpus: int, log_path: Path, log_start: int = 0
) -> EngineError:
    """The error of an engine that did not start.

    Args:
        error: What vLLM raised.
        path: The model's.
        gpus: GPUs it was to use.
        log_path: vLLM's log, in which the engine process left its own error.
        log_start: Where in the log this start began, bytes.
    """
    root = _root_cause(log_path, log_start)
    everything = f"{error}\n{root}"
    remedy = next(
        (say for pattern, say in _REMEDIES if re.search(pattern, everything, re.IGNORECASE)),
        "the log has the whole story",
    )
    where = f"{gpus} GPU(s)" if gpus else "the CPU"
    cause = root or f"{type(error).__name__}: {error}"
    return EngineError(
        f"the engine could not start model {path!r} on {where}: {cause}; {remedy} "
        f"(log: {log_path})"
    )


def _root_cause(log_path: Path, log_start: int) -> str:
    """The first exception that a traceback in the log ends with; empty if none."""
    if not log_path.is_file():
        return ""
    with log_path.open("rb") as file:
        file.seek(max(log_path.stat().st_size - LOG_TAIL_BYTES, log_start))
        tail = file.read().decode("utf-8", "replace")
    raised = re.findall(r"^(?:\w+\.)*(\w+(?:Error|Exception)): (.+)$", tail, re.MULTILINE)
    return f"{raised[0][0]}: {raised[0][1]}" if raised else ""
