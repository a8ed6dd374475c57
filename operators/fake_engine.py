"""A small deterministic engine in this process, behind the same protocol as vLLM's.

For tests of everything around the engine. Its answers hold no opinion on the pixels, but
they depend on them: each string begins with a short digest, `pixel_digest`, so that a test
can tell whose pixels a row was made of. No job uses it.
"""

from __future__ import annotations

import hashlib
import math
import threading
from collections import Counter
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from enum import StrEnum

from operators.base import Completion, Request, TokenChance
from operators.fake_answers import answer_text
from operators.models.base import Geometry
from operators.models.registry import family as family_of
from schemas.failure import EngineError, FailureCode, ItemFailure, Stage, UsageError
from schemas.media import Frames

CHARS_PER_TOKEN = 4
GARBAGE = "I think that this is {"


class Behaviour(StrEnum):
    """What the fake can be told to do wrong."""

    REFUSE = "refuse"
    """The request is refused, each time."""

    DIE = "die"
    """The engine dies, with everything that it holds."""

    GARBAGE = "garbage"
    """The answer is no JSON, the first `garbage_tries` times for a medium and prompt."""

    CUT = "cut"
    """The answer ends half-way, with reason length."""

    BLIND = "blind"
    """The answer is made without a single image token."""


class FakeEngine:
    """Answers by rule instead of by model.

    Args:
        family: Family whose arithmetic counts the image tokens.
        geometry: The checkpoint's; by default the published one's.
        latency_s: Seconds that an answer takes.
        concurrency: Requests answered at once; the others wait.
        behaviours: What goes wrong, by a part of the ``media_key``.
        garbage_tries: How often `Behaviour.GARBAGE` spoils an answer before it is well.
        most_image_tokens: Prompts with more of them are too long.

    Raises:
        UsageError: If a behaviour or the family is not known.
    """

    def __init__(
        self,
        family: str = "minicpm-v-2.6",
        geometry: Geometry | None = None,
        latency_s: float = 0.0,
        concurrency: int = 64,
        behaviours: Mapping[str, str] | None = None,
        garbage_tries: int = 1,
        most_image_tokens: int | None = None,
    ) -> None:
        self._family = family_of(family)
        self._geometry = geometry or Geometry(448, 14, 9, 64, 32768)
        self._latency_s = latency_s
        self._concurrency = concurrency
        self._behaviours = {key: _behaviour(name) for key, name in (behaviours or {}).items()}
        self._garbage_tries = garbage_tries
        self._most_image_tokens = most_image_tokens
        self._garbage_given: Counter[str] = Counter()
        self._pool: ThreadPoolExecutor | None = None
        self._stopped = threading.Event()
        self._lock = threading.Lock()
        self._pending: dict[str, Future[Completion]] = {}

    @property
    def alive(self) -> bool:
        """Whether it has started, and neither died nor been shut down."""
        return self._pool is not None and not self._stopped.is_set()

    def start(self) -> None:
        """Get ready to answer."""
        self._pool = ThreadPoolExecutor(self._concurrency, thread_name_prefix="fake-engine")

    def submit(self, request: Request) -> Future[Completion]:
        """Take a request and return at once; see `operators.base.Engine.submit`.

        Raises:
            ValueError: If the id is that of a request still in flight.
        """
        future: Future[Completion] = Future()
        with self._lock:
            if self._pool is None or self._stopped.is_set():
                future.set_exception(EngineError("the fake engine is not running"))
                return future
            if request.request_id in self._pending:
                raise ValueError(f"request_id {request.request_id!r} is in flight already")
            future.set_running_or_notify_cancel()
            self._pending[request.request_id] = future
            self._pool.submit(self._work, request)
        return future

    def shutdown(self) -> None:
        """Stop; what is in flight fails with `EngineError`."""
        self._die("the fake engine was shut down")
        if self._pool is not None:
            self._pool.shutdown(wait=False, cancel_futures=True)

    def _die(self, reason: str) -> None:
        self._stopped.set()
        with self._lock:
            pending, self._pending = self._pending, {}
        for future in pending.values():
            future.set_exception(EngineError(reason))

    def _work(self, request: Request) -> None:
        if self._stopped.wait(self._latency_s):
            return
        try:
            completion = self._complete(request)
        except ItemFailure as failure:
            self._settle(request, error=failure)
        except EngineError as error:
            self._die(str(error))
        except Exception as error:  # noqa: BLE001 - as an executor's future would
            self._settle(request, error=error)
        else:
            self._settle(request, completion=completion)

    def _settle(
        self,
        request: Request,
        *,
        completion: Completion | None = None,
        error: BaseException | None = None,
    ) -> None:
        with self._lock:
            future = self._pending.pop(request.request_id, None)
        if future is None:
            return
        if completion is not None:
            future.set_result(completion)
        else:
            future.set_exception(error)

    def _complete(self, request: Request) -> Completion:
        behaviour = self._behaviour_for(request.media_key)
        if behaviour is Behaviour.DIE:
            raise EngineError(f"the fake engine died of {request.media_key!r}")
        if behaviour is Behaviour.REFUSE:
            raise ItemFailure(
                Stage.ANNOTATE,
                FailureCode.ENGINE_REFUSED,
                f"the fake engine refuses {request.media_key!r}",
            )
        images = self._family.image_tokens(request.frames, self._geometry)
        if self._most_image_tokens is not None and images > self._most_image_tokens:
            raise ItemFailure(
                Stage.ANNOTATE,
                FailureCode.PROMPT_TOO_LONG,
                f"{images} image tokens, and the fake engine takes {self._most_image_tokens}",
            )
        if behaviour is Behaviour.BLIND:
            images = 0
        text, finish = self._answer(request, behaviour)
        return Completion(
            text=text,
            finish_reason=finish,
            image_tokens=images,
            prompt_tokens=images + len(request.prompt) // CHARS_PER_TOKEN,
            output_tokens=min(len(text) // CHARS_PER_TOKEN + 1, request.sampling.max_tokens),
            chances=_chances(text) if request.sampling.measured else (),
        )

    def _answer(self, request: Request, behaviour: Behaviour | None) -> tuple[str, str]:
        if behaviour is Behaviour.GARBAGE and self._still_garbage(request):
            return GARBAGE, "stop"
        text = answer_text(
            request.sampling.json_schema,
            prefix=pixel_digest(request.frames),
            seed=f"{request.media_key}\0{request.prompt}\0{request.sampling.seed}",
        )
        if behaviour is Behaviour.CUT:
            return text[: len(text) // 2], "length"
        return text, "stop"

    def _still_garbage(self, request: Request) -> bool:
        key = f"{request.media_key}\0{request.prompt}"
        with self._lock:
            self._garbage_given[key] += 1
            return self._garbage_given[key] <= self._garbage_tries

    def _behaviour_for(self, media_key: str) -> Behaviour | None:
        for part, behaviour in self._behaviours.items():
            if part in media_key:
                return behaviour
        return None


def pixel_digest(frames: Frames) -> str:
    """Eight hex digits that say whose pixels these are; every answer's strings hold them."""
    whole = hashlib.sha256(repr(frames.shapes).encode())
    whole.update(memoryview(frames.pixels))
    return whole.hexdigest()[:8]


def _chances(text: str) -> tuple[TokenChance, ...]:
    """Tokens of four characters, each as likely as not."""
    ends = range(CHARS_PER_TOKEN, len(text) + CHARS_PER_TOKEN, CHARS_PER_TOKEN)
    return tuple(TokenChance(min(end, len(text)), math.log(0.5)) for end in ends)


def _behaviour(name: str) -> Behaviour:
    try:
        return Behaviour(name)
    except ValueError:
        known = ", ".join(Behaviour)
        raise UsageError(f"behaviour {name!r} is not known; choose from {known}") from None
