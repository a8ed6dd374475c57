from __future__ import annotations

from pathlib import Path

import pytest

from operators.engine_errors import request_failure, start_error
from schemas.failure import EngineError, FailureCode, ItemFailure


@pytest.fixture(scope="module")
def vllm_errors():
    import vllm.exceptions as client
    import vllm.v1.engine.exceptions as engine

    return client, engine


def test_a_dead_engine_is_infrastructure(vllm_errors, tmp_path: Path) -> None:
    log = tmp_path / "vllm.log"
    mapped = request_failure(vllm_errors[1].EngineDeadError(), log)
    assert isinstance(mapped, EngineError)
    assert str(log) in str(mapped)


def test_a_refused_request_is_the_items_failure(vllm_errors) -> None:
    mapped = request_failure(vllm_errors[0].VLLMValidationError("no such schema"), None)
    assert isinstance(mapped, ItemFailure)
    assert mapped.code is FailureCode.ENGINE_REFUSED
    assert "no such schema" in mapped.message


def test_an_error_behind_generate_is_quoted_from_its_cause(vllm_errors) -> None:
    error = vllm_errors[1].EngineGenerateError()
    error.__cause__ = AssertionError("found 0 prompt updates")
    mapped = request_failure(error, None)
    assert isinstance(mapped, ItemFailure)
    assert "found 0 prompt updates" in mapped.message


@pytest.mark.parametrize(
    "words",
    [
        "The decoder prompt (length 9) is longer than the maximum model length of 8.",
        "one item with 640 embedding tokens, which exceeds the pre-allocated encoder cache",
    ],
)
def test_a_prompt_too_long_comes_with_a_remedy(words: str) -> None:
    mapped = request_failure(ValueError(words), None)
    assert isinstance(mapped, ItemFailure)
    assert mapped.code is FailureCode.PROMPT_TOO_LONG
    assert "raise model." in mapped.message


def test_our_own_errors_and_unknown_ones_stay_as_they_are() -> None:
    for error in (EngineError("x"), RuntimeError("y"), MemoryError()):
        assert request_failure(error, None) is error


LOG = """\
2026-01-01 ERROR 7 vllm EngineCore failed to start.
Traceback (most recent call last):
  File "x.py", line 1, in y
torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 20 GiB
2026-01-01 ERROR 7 vllm later
"""


def test_a_failed_start_names_the_root_cause_from_the_log(tmp_path: Path) -> None:
    log = tmp_path / "vllm.log"
    log.write_text(LOG)
    error = start_error(RuntimeError("See root cause above."), "openbmb/x", 2, log)
    assert "'openbmb/x' on 2 GPU(s): OutOfMemoryError: CUDA out of memory" in str(error)
    assert "lower model.max_model_len" in str(error)


def test_what_an_earlier_start_left_in_the_log_is_not_blamed(tmp_path: Path) -> None:
    log = tmp_path / "vllm.log"
    log.write_text(LOG)
    error = start_error(RuntimeError("boom"), "m", 0, log, log_start=log.stat().st_size)
    assert "on the CPU: RuntimeError: boom; the log has the whole story" in str(error)


def test_a_missing_engine_says_how_to_install_it(tmp_path: Path) -> None:
    cause = ModuleNotFoundError("No module named 'vllm'")
    assert "tagline[cpu]" in str(start_error(cause, "m", 0, tmp_path / "none.log"))
