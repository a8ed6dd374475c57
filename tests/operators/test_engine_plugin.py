from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import psutil
import pytest

from operators.engine_plugin import OWNER_VARIABLE

REGISTERED_CHILD = """
import multiprocessing, os, sys, time
from operators.engine_plugin import OWNER_VARIABLE, die_with_parent

def child():
    die_with_parent()
    print(os.getpid(), flush=True)
    time.sleep(60)

if __name__ == "__main__":
    if sys.argv[1] == "tied":
        os.environ[OWNER_VARIABLE] = str(os.getpid())
    die_with_parent()
    process = multiprocessing.get_context("spawn").Process(target=child)
    process.start()
    process.join()
"""


def _clean_environment() -> dict[str, str]:
    """Without what an engine of another test may have left in this process."""
    return {name: value for name, value in os.environ.items() if name != OWNER_VARIABLE}


@pytest.mark.parametrize(("mode", "survives"), [("tied", False), ("free", True)])
def test_a_child_ends_with_its_killed_parent(mode: str, survives: bool, tmp_path) -> None:
    script = tmp_path / "parent.py"
    script.write_text(REGISTERED_CHILD)
    parent = subprocess.Popen(
        [sys.executable, str(script), mode],
        stdout=subprocess.PIPE,
        text=True,
        env={**_clean_environment(), "PYTHONPATH": os.getcwd()},
    )
    assert parent.stdout is not None
    child = psutil.Process(int(parent.stdout.readline()))
    try:
        parent.send_signal(signal.SIGKILL)
        parent.wait()
        _, alive = psutil.wait_procs([child], timeout=2)
        assert bool(alive) is survives
    finally:
        if child.is_running():
            child.kill()


def test_the_resampler_may_ask_whether_it_is_captured() -> None:
    program = (
        "import torch; from operators.engine_plugin import register; register();"
        "print(torch.cuda.is_current_stream_capturing())"
    )
    run = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert run.stdout.strip() == "False"


def test_the_plugin_loads_no_vllm() -> None:
    program = (
        "import sys; from operators.engine_plugin import register;"
        "import operators.engine, operators.engines, operators.models.registry;"
        "print([m for m in ('vllm', 'torch', 'ray', 'transformers') if m in sys.modules])"
    )
    started = time.monotonic()
    run = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert run.stdout.strip() == "[]"
    assert time.monotonic() - started < 30
