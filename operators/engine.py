"""vLLM behind the `Engine` protocol; the only module that imports vLLM."""

from __future__ import annotations

import asyncio
import logging
import os
import shutil
import tempfile
import threading
from concurrent.futures import Future
from multiprocessing import resource_tracker
from pathlib import Path
from typing import Any

import psutil

from operators.base import Completion, Request, TokenChance
from operators.engine_arguments import (
    engine_arguments,
    engine_environment,
    logging_configuration,
    require_gpus,
)
from operators.engine_errors import request_failure, start_error
from operators.engine_grammar import grammar_of
from operators.engine_media import prompt_with_media
from operators.engine_processes import descendants, kill
from operators.models.checkpoint import find_checkpoint, read_config, read_geometry
from operators.models.registry import detect_family
from operators.models.registry import family as family_of
from schemas.failure import EngineError
from schemas.job import MediaSpec, ModelSpec

PLACEHOLDER_TOKEN = "<unk>"
SHUTDOWN_GRACE_S = 10.0
VLLM_SHUTDOWN_S = 6.0
WATCH_INTERVAL_S = 0.5

logger = logging.getLogger(__name__)


class VllmEngine:
    """Runs a model with vLLM, in processes of its own, driven from an own event loop.

    Args:
        model: The job's model section.
        media: The job's media section.
        gpus: GPUs to spread the model over; 0 for a CPU.
        cpu_threads: On a CPU, threads that compute; None for one a core.
        log_path: Where vLLM's log goes; a temporary file by default.
    """

    def __init__(
        self,
        model: ModelSpec,
        media: MediaSpec | None = None,
        gpus: int = 0,
        cpu_threads: int | None = None,
        log_path: str | None = None,
    ) -> None:
        self._model = model
        self._media = media or MediaSpec()
        self._gpus = gpus
        self._cpu_threads = cpu_threads
        self._log_path = Path(log_path) if log_path else None
        self._scratch: Path | None = None
        self._llm: Any = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._processes: list[psutil.Process] = []
        self._pending: set[Future[Completion]] = set()
        self._lock = threading.Lock()
        self._placeholder_id = -1
        self._stop_ids: list[int] = []
        self._watcher: asyncio.Task[None] | None = None

    @property
    def alive(self) -> bool:
        """Whether it has started, and neither died nor been shut down."""
        llm = self._llm
        return llm is not None and not llm.errored

    @property
    def process_ids(self) -> list[int]:
        """The processes that vLLM started for this engine."""
        return [process.pid for process in self._processes]

    def start(self) -> None:
        """Load the model.

        Raises:
            EngineError: If vLLM is missing or cannot load it.
            UsageError: If the model's path or family is wrong.
        """
        folder = find_checkpoint(
            self._model.path, self._model.revision, download=self._model.download
        )
        config = read_config(folder)
        named = self._model.family
        family = family_of(named) if named else detect_family(config)
        arguments = engine_arguments(
            self._model, family, read_geometry(folder), self._media, self._gpus
        )
        log = self._open_log()
        log_start = log.stat().st_size
        self._prepare_environment(log)
        # Python's own helper process, which belongs to all of this process.
        resource_tracker.ensure_running()
        before = descendants()
        self._start_loop()
        try:
            self._call(self._load(arguments, family.stop_tokens))
        except EngineError:
            self.shutdown(keep_log=True)
            raise
        except Exception as error:
            self._processes = [p for p in descendants() if p not in before]
            self.shutdown(keep_log=True)
            raise start_error(error, self._model.path, self._gpus, log, log_start) from error
        self._processes = [p for p in descendants() if p not in before]

    def _open_log(self) -> Path:
        self._scratch = Path(tempfile.mkdtemp(prefix="tagline-engine-"))
        log = self._log_path or self._scratch / "vllm.log"
        log.parent.mkdir(parents=True, exist_ok=True)
        log.touch()
        self._log_path = log
        return log

    def _prepare_environment(self, log: Path) -> None:
        """Set the variables that vLLM reads when it is imported and when it forks off."""
        configuration = log.with_suffix(".logging.json")
        configuration.write_text(logging_configuration(log))
        settings = engine_environment(
            download=self._model.download,
            gpus=self._gpus,
            cpu_threads=self._cpu_threads,
            logging_config=configuration,
            owner_pid=os.getpid(),
        )
        os.environ.update(settings.required)
        for name, value in settings.defaults.items():
            os.environ.setdefault(name, value)

    def _start_loop(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(
            target=self._loop.run_forever, name="tagline-engine", daemon=True
        )
        self._thread.start()

    def _call(self, coroutine: Any) -> Any:
        if self._loop is None:
            raise RuntimeError("the engine's event loop is not running")
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result()

    async def _load(self, arguments: dict[str, Any], stop_tokens: tuple[str, ...]) -> None:
        require_gpus(self._gpus)
        from vllm import AsyncEngineArgs
        from vllm.v1.engine.async_llm import AsyncLLM

        self._llm = AsyncLLM.from_engine_args(AsyncEngineArgs(**arguments))
        vocabulary = self._llm.renderer.get_tokenizer().get_vocab()
        if PLACEHOLDER_TOKEN not in vocabulary:
            raise ValueError(f"the tokenizer has no {PLACEHOLDER_TOKEN} token")
        self._placeholder_id = vocabulary[PLACEHOLDER_TOKEN]
        self._stop_ids = [vocabulary[t] for t in stop_tokens if t in vocabulary]
        await self._llm.get_supported_tasks()
        self._watcher = asyncio.create_task(self._watch())

    async def _watch(self) -> None:
        """Fail what is in flight once the engine is dead.

        vLLM notices a death by itself, but not every request that waits for an answer
        hears of it.
        """
        while self.alive:
            await asyncio.sleep(WATCH_INTERVAL_S)
        self._fail_pending()

    def submit(self, request: Request) -> Future[Completion]:
        """Take a request and return at once; see `operators.base.Engine.submit`."""
        future: Future[Completion] = Future()
        with self._lock:
            if self._loop is None or not self.alive:
                future.set_exception(EngineError(_DEAD if self._llm else _NOT_STARTED))
                return future
            future.set_running_or_notify_cancel()
            self._pending.add(future)
            asyncio.run_coroutine_threadsafe(self._answer(request, future), self._loop)
        return future

    async def _answer(self, request: Request, future: Future[Completion]) -> None:
        try:
            completion = await self._generate(request)
        except asyncio.CancelledError:
            self._settle(future, error=EngineError(_DEAD))
            raise
        except Exception as error:  # noqa: BLE001 - the mapping keeps what it does not know
            self._settle(future, error=request_failure(error, self._log_path))
        else:
            self._settle(future, completion=completion)

    def _settle(
        self,
        future: Future[Completion],
        *,
        completion: Completion | None = None,
        error: BaseException | None = None,
    ) -> None:
        with self._lock:
            if future not in self._pending:
                return
            self._pending.discard(future)
        if completion is not None:
            future.set_result(completion)
        else:
            future.set_exception(error)

    async def _generate(self, request: Request) -> Completion:
        from vllm import sampling_params as vllm_params

        wanted = request.sampling
        schema = wanted.json_schema
        sampling = vllm_params.SamplingParams(
            max_tokens=wanted.max_tokens,
            temperature=wanted.temperature,
            seed=wanted.seed,
            stop_token_ids=self._stop_ids,
            structured_outputs=vllm_params.StructuredOutputsParams(grammar=grammar_of(schema))
            if schema
            else None,
            logprobs=0 if wanted.measured else None,
            output_kind=vllm_params.RequestOutputKind.FINAL_ONLY,
        )
        prompt = prompt_with_media(request)
        final: Any = None
        async for output in self._llm.generate(prompt, sampling, request.request_id):
            final = output
        if final is None:
            raise EngineError("the engine ended a request without an answer")
        answer, tokens = final.outputs[0], final.prompt_token_ids
        return Completion(
            text=answer.text,
            finish_reason=str(answer.finish_reason),
            image_tokens=tokens.count(self._placeholder_id),
            prompt_tokens=len(tokens),
            output_tokens=len(answer.token_ids),
            chances=self._chances(answer) if wanted.measured else (),
        )

    def _chances(self, answer: Any) -> tuple[TokenChance, ...]:
        """Where each token of an answer ends in its text, and how likely it was."""
        decode = self._llm.renderer.get_tokenizer().decode
        ids = list(answer.token_ids)
        return tuple(
            TokenChance(
                end=len(decode(ids[: index + 1], skip_special_tokens=True)),
                logprob=float(answer.logprobs[index][token].logprob),
            )
            for index, token in enumerate(ids)
        )

    def shutdown(self, *, keep_log: bool = False) -> None:
        """Stop the engine and every process that it started. Never raises.

        Args:
            keep_log: Keep vLLM's log even if it went to a temporary file.
        """
        self._fail_pending()
        llm, self._llm = self._llm, None
        if llm is not None:
            try:
                llm.shutdown(timeout=VLLM_SHUTDOWN_S)
            except Exception:
                logger.exception("vLLM did not shut down; its processes are killed")
        del llm
        kill(self._processes)
        self._stop_loop()
        if self._scratch is not None and not keep_log:
            shutil.rmtree(self._scratch, ignore_errors=True)

    def _fail_pending(self) -> None:
        with self._lock:
            pending, self._pending = self._pending, set()
        for future in pending:
            future.set_exception(EngineError(f"{_DEAD} (log: {self._log_path})"))

    def _stop_loop(self) -> None:
        loop, self._loop = self._loop, None
        if loop is None or self._thread is None:
            return
        drained = asyncio.run_coroutine_threadsafe(_cancel_tasks(), loop)
        try:
            drained.result(SHUTDOWN_GRACE_S)
        except TimeoutError:
            logger.warning("tasks of the engine's event loop did not end when cancelled")
        loop.call_soon_threadsafe(loop.stop)
        self._thread.join(SHUTDOWN_GRACE_S)
        if not self._thread.is_alive():
            loop.close()


_DEAD = "the engine died or was shut down"
_NOT_STARTED = "the engine is not running; call start() first"


async def _cancel_tasks() -> None:
    tasks = asyncio.all_tasks() - {asyncio.current_task()}
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
