"""vLLM plugin: what every vLLM process of ours needs before it loads a model.

vLLM calls `register` (entry point group ``vllm.general_plugins``) in its front end and in
each process that it starts. This module must not import vLLM.
"""

from __future__ import annotations

import ctypes
import multiprocessing
import os
import signal

OWNER_VARIABLE = "TAGLINE_ENGINE_OWNER"
"""Names the process that started the engine; see `operators.engine_arguments`."""

_PR_SET_PDEATHSIG = 1


def register() -> None:
    """Make this process fit for MiniCPM-V, and tie its life to its parent's."""
    die_with_parent()
    allow_cpu_resampler()


def die_with_parent() -> None:
    """Have the kernel kill this process when its parent ends (Linux).

    vLLM's engine process outlives a front end that is killed, and keeps the GPU's memory.
    Only processes below the one that started the engine are tied.
    """
    owner = os.environ.get(OWNER_VARIABLE)
    parent = multiprocessing.parent_process()
    if owner is None or owner == str(os.getpid()) or parent is None:
        return
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG) was refused")
    if os.getppid() != parent.pid:
        # The parent ended before the kernel was asked to watch it.
        os._exit(1)


def allow_cpu_resampler() -> None:
    """Let MiniCPM-V's resampler run on builds without CUDA.

    The resampler asks whether a CUDA graph is being captured, which raises on a build that
    has no CUDA; there the answer is always no.
    """
    import torch

    if torch.version.cuda is None and torch.version.hip is None:
        torch.cuda.is_current_stream_capturing = _never_capturing


def _never_capturing() -> bool:
    return False
