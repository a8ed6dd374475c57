"""The real engine behind the protocol: answers, refusals, death."""

from __future__ import annotations

import dataclasses
import os
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from operators.base import Sampling
from operators.engine import VllmEngine
from operators.models.base import PromptParts
from pipeline.model import ANSWER_CHANGING_ARGS
from schemas.failure import EngineError, FailureCode, ItemFailure, UsageError
from schemas.job import ModelSpec
from tests.fixtures.engines import RunningEngine, picture, running_engine, video

SAMPLING = Sampling(max_tokens=6)


def test_many_threads_get_their_own_answers(engine_26: RunningEngine) -> None:
    alone = [
        engine_26.engine.submit(
            engine_26.request(picture(60, 60, n), request_id=f"alone-{n}", sampling=SAMPLING)
        ).result(timeout=60)
        for n in range(4)
    ]

    def ask(n: int):
        asked = engine_26.request(
            picture(60, 60, n % 4), request_id=f"many-{n}", sampling=SAMPLING
        )
        return engine_26.engine.submit(asked).result(timeout=60)

    with ThreadPoolExecutor(8) as pool:
        together = list(pool.map(ask, range(16)))
    assert {c.prompt_tokens for c in together} == {alone[0].prompt_tokens}
    same = sum(together[n].text == alone[n % 4].text for n in range(16))
    assert same > 8


def test_the_same_medium_may_be_asked_about_twice_at_once(engine_26: RunningEngine) -> None:
    frames = picture(300, 200)
    futures = [
        engine_26.engine.submit(
            engine_26.request(
                frames,
                request_id=f"twice-{n}",
                sampling=SAMPLING,
                media_key="same",
                parts=PromptParts("Look.", f"Question {n}?"),
            )
        )
        for n in range(3)
    ]
    expected = engine_26.family.image_tokens(frames, engine_26.geometry)
    assert [f.result(timeout=60).image_tokens for f in futures] == [expected] * 3


def test_an_answer_that_reaches_its_limit_says_so(engine_26: RunningEngine) -> None:
    schema = {"type": "string", "minLength": 500}
    sampling = Sampling(max_tokens=5, json_schema=schema)
    asked = engine_26.request(picture(9, 9), request_id="cut", sampling=sampling)
    completion = engine_26.engine.submit(asked).result(timeout=60)
    assert (completion.finish_reason, completion.output_tokens) == ("length", 5)


def test_a_prompt_too_long_is_that_items_failure(engine_26: RunningEngine) -> None:
    parts = PromptParts("Look.", "a long word " * 5000)
    asked = engine_26.request(picture(9, 9), request_id="long", sampling=SAMPLING, parts=parts)
    failure = engine_26.engine.submit(asked).exception(timeout=60)
    assert isinstance(failure, ItemFailure)
    assert failure.code is FailureCode.PROMPT_TOO_LONG


def test_a_video_beyond_the_token_batch_is_that_items_failure(
    engine_26: RunningEngine,
) -> None:
    asked = engine_26.request(video(600, 8, 8), request_id="film", sampling=SAMPLING)
    failure = engine_26.engine.submit(asked).exception(timeout=120)
    assert isinstance(failure, ItemFailure)
    assert failure.code is FailureCode.PROMPT_TOO_LONG


def test_what_vllm_cannot_do_is_that_items_failure(engine_26: RunningEngine) -> None:
    impossible = Sampling(max_tokens=5, json_schema={"type": "no such type"})
    asked = engine_26.request(picture(9, 9), request_id="odd", sampling=impossible)
    without_medium = replace(
        engine_26.request(picture(9, 9), request_id="none", sampling=SAMPLING), prompt="hello"
    )
    for request in (asked, without_medium):
        failure = engine_26.engine.submit(request).exception(timeout=60)
        assert isinstance(failure, ItemFailure), failure
        assert failure.code is FailureCode.ENGINE_REFUSED
    assert engine_26.engine.alive


def test_a_killed_engine_fails_everything_it_holds(checkpoint_26: Path) -> None:
    with running_engine(checkpoint_26) as running:
        endless = Sampling(max_tokens=2000, json_schema={"type": "string", "minLength": 9000})
        held = [
            running.engine.submit(
                running.request(picture(50, 50, n), request_id=f"held-{n}", sampling=endless)
            )
            for n in range(4)
        ]
        processes = [psutil.Process(pid) for pid in running.engine.process_ids]
        assert processes
        for process in processes:
            process.kill()
        for future in held:
            assert isinstance(future.exception(timeout=30), EngineError)
        assert not running.engine.alive
        late = running.request(picture(9, 9), request_id="late", sampling=SAMPLING)
        assert isinstance(running.engine.submit(late).exception(timeout=5), EngineError)
    assert not any(process.is_running() for process in processes)


OWNER = """
import sys, time
from operators.engine import VllmEngine
from schemas.job import ModelSpec

if __name__ == "__main__":
    engine = VllmEngine(model=ModelSpec(path=sys.argv[1]))
    engine.start()
    print(*engine.process_ids, flush=True)
    time.sleep(120)
"""


def test_a_killed_owner_leaves_no_process_behind(checkpoint_26: Path, tmp_path: Path) -> None:
    script = tmp_path / "owner.py"
    script.write_text(OWNER)
    owner = subprocess.Popen(
        [sys.executable, str(script), str(checkpoint_26)],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.getcwd()},
    )
    assert owner.stdout is not None
    try:
        processes = [psutil.Process(int(pid)) for pid in owner.stdout.readline().split()]
        assert processes
    finally:
        owner.send_signal(signal.SIGKILL)
        owner.wait()
    _, alive = psutil.wait_procs(processes, timeout=10)
    for process in alive:
        process.kill()
    assert alive == []


def test_gpus_that_are_not_there_are_missed_by_number(checkpoint_26: Path) -> None:
    engine = VllmEngine(model=ModelSpec(path=str(checkpoint_26)), gpus=999)
    with pytest.raises(EngineError, match=r"999 GPU\(s\).*resources\.gpus_per_replica"):
        engine.start()
    assert not engine.alive


@pytest.mark.parametrize(
    ("spec", "error", "words"),
    [
        ({"path": "/no/such/model"}, UsageError, "no folder on this machine"),
        ({"engine_args": {"no_such_argument": 1}}, EngineError, r"model\.engine_args"),
    ],
)
def test_a_start_that_fails_says_why(
    checkpoint_26: Path, spec: dict, error: type[Exception], words: str
) -> None:
    engine = VllmEngine(model=ModelSpec(**{"path": str(checkpoint_26), **spec}))
    with pytest.raises(error, match=words):
        engine.start()
    assert not engine.alive
    assert engine.process_ids == []


def test_arguments_that_are_said_to_change_answers_exist(engine_26: RunningEngine) -> None:
    # Only here: importing it takes its time, and the engine has done so already.
    from vllm import AsyncEngineArgs

    known = {field.name for field in dataclasses.fields(AsyncEngineArgs)}
    assert set(ANSWER_CHANGING_ARGS) <= known
