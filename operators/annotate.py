"""Ask the model about decoded items and read its answers."""

from __future__ import annotations

import json
import uuid
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass, replace
from typing import Any

import pyarrow as pa

from operators.base import Completion, Engine, EngineSpec, Request, Sampling
from operators.engines import build_engine
from operators.models.base import Geometry, ModelFamily, PromptParts
from operators.models.registry import family as family_of
from operators.tasks.registry import BoundTask, bind_task
from schemas.failure import FailureCode, ItemFailure, Stage
from schemas.item import (
    ANNOTATED_SCHEMA,
    DecodedItem,
    PendingTask,
    failure_to_struct,
    table_to_decoded,
)
from schemas.job import TaskSpec
from schemas.media import Frames

MORE_TOKENS_FACTOR = 2
RETRY_TEMPERATURE = 0.7


class AnnotateOperator:
    """Decoded items in, one row for each item and task out.

    Thread-safe: several threads may call it at once, and should, so that the engine
    always has work. All requests of a batch are handed over before any is waited for.

    Args:
        engine: From which the worker builds its engine.
        family_id: The model family, as in `tagline models`.
        geometry: The checkpoint's image geometry.
        tasks: The job's tasks.
        seed: Seed of every request.
    """

    def __init__(
        self,
        engine: EngineSpec,
        family_id: str,
        geometry: Geometry,
        tasks: Sequence[TaskSpec],
        seed: int = 0,
    ) -> None:
        self._engine_spec = engine
        self._family: ModelFamily = family_of(family_id)
        self._geometry = geometry
        self._tasks: dict[str, BoundTask] = {spec.name: bind_task(spec) for spec in tasks}
        self._seed = seed
        self._engine: Engine | None = None

    def setup(self) -> None:
        """Start the engine. Raises `EngineError` if that fails."""
        self._engine = build_engine(self._engine_spec)
        self._engine.start()

    def close(self) -> None:
        """Stop the engine and all its processes."""
        if self._engine is not None:
            self._engine.shutdown()
            self._engine = None

    def __call__(self, batch: pa.Table) -> pa.Table:
        """Annotate a batch.

        Args:
            batch: A table of `DECODED_SCHEMA`.

        Returns:
            A table of `ANNOTATED_SCHEMA`, a row for each pending task of each item.

        Raises:
            EngineError: If the engine died; no row of the batch is lost, the whole batch
                is to be given to a new engine.
        """
        questions = [
            self._ask(decoded, pending)
            for decoded in table_to_decoded(batch)
            for pending in decoded.item.tasks
        ]
        rows = [self._settle(question) for question in questions]
        return pa.Table.from_pylist(rows, schema=ANNOTATED_SCHEMA)

    def failed(self, batch: pa.Table, failure: ItemFailure) -> pa.Table:
        """The rows of a batch that is not to be tried: all fail for one reason.

        Args:
            batch: A table of `DECODED_SCHEMA`.
            failure: The reason, unless an item failed on its way here already.

        Returns:
            A table of `ANNOTATED_SCHEMA`.
        """
        rows = [
            _Question(decoded, pending).row(failure=decoded.failure or failure)
            for decoded in table_to_decoded(batch)
            for pending in decoded.item.tasks
        ]
        return pa.Table.from_pylist(rows, schema=ANNOTATED_SCHEMA)

    def _ask(self, decoded: DecodedItem, pending: PendingTask) -> _Question:
        """Hand the first request over, unless the item failed on its way here."""
        question = _Question(decoded, pending)
        if decoded.frames is None:
            return question
        question.frames = decoded.frames
        question.request = self._request(question)
        question.future = self._submit(question.request)
        return question

    def _submit(self, request: Request) -> Future[Completion]:
        if self._engine is None:
            raise RuntimeError("setup() must be called before the first batch")
        return self._engine.submit(request)

    def _request(self, question: _Question) -> Request:
        bound = self._tasks[question.pending.name]
        frames = question.known_frames
        item = question.decoded.item
        parts = PromptParts(
            system=bound.task.system(bound.options), user=bound.task.user(bound.options, frames)
        )
        return Request(
            request_id=uuid.uuid4().hex,
            prompt=self._family.render(parts, frames),
            frames=frames,
            sampling=Sampling(
                max_tokens=bound.task.max_tokens(bound.options),
                seed=self._seed,
                json_schema=bound.task.answer_schema(bound.options, len(frames.shapes)),
            ),
            media_key=f"{item.item_id}@{item.item_version}",
        )

    def _settle(self, question: _Question) -> dict[str, Any]:
        """Wait for the answer, with one more try where that can help."""
        if question.request is None or question.future is None:
            return question.row(failure=question.decoded.failure)
        try:
            return question.row(answer=self._answer(question))
        except ItemFailure as failure:
            retry = _second_try(question.request, failure)
            if retry is None:
                return question.row(failure=failure)
        question.request = retry
        question.future = self._submit(retry)
        try:
            return question.row(answer=self._answer(question))
        except ItemFailure as failure:
            return question.row(failure=failure)

    def _answer(self, question: _Question) -> dict[str, Any]:
        """Raise `ItemFailure` unless the model saw the media and said what was asked."""
        assert question.future is not None
        question.tries += 1
        completion = question.future.result()
        question.completion = completion
        bound = self._tasks[question.pending.name]
        frames = question.known_frames
        expected = self._family.image_tokens(frames, self._geometry)
        if completion.image_tokens != expected:
            raise ItemFailure(
                Stage.ANNOTATE,
                FailureCode.BLIND,
                f"the prompt held {completion.image_tokens} image tokens where these pixels "
                f"need {expected}; the model did not see the media as sent",
                raw_text=completion.text,
            )
        if completion.finish_reason == "length":
            raise ItemFailure(
                Stage.PARSE,
                FailureCode.ANSWER_CUT,
                f"the answer was cut after {completion.output_tokens} tokens; "
                "a smaller max_chars, or a larger model.max_model_len, leaves it room",
                raw_text=completion.text,
            )
        return bound.task.read(completion.text, bound.options, frames)


def _second_try(request: Request, failure: ItemFailure) -> Request | None:
    """The request to try next, or None where a second try cannot help."""
    sampling = request.sampling
    if failure.code is FailureCode.ANSWER_CUT:
        sampling = replace(sampling, max_tokens=sampling.max_tokens * MORE_TOKENS_FACTOR)
    elif failure.code is FailureCode.UNPARSABLE:
        # A greedy answer would come out the same: another seed needs a temperature.
        sampling = replace(sampling, seed=sampling.seed + 1, temperature=RETRY_TEMPERATURE)
    else:
        return None
    return replace(request, request_id=uuid.uuid4().hex, sampling=sampling)


@dataclass
class _Question:
    """One task asked about one item, on its way from request to row."""

    decoded: DecodedItem
    pending: PendingTask
    frames: Frames | None = None
    request: Request | None = None
    future: Future[Completion] | None = None
    completion: Completion | None = None
    tries: int = 0

    @property
    def known_frames(self) -> Frames:
        assert self.frames is not None
        return self.frames

    def row(
        self, *, answer: dict[str, Any] | None = None, failure: ItemFailure | None = None
    ) -> dict[str, Any]:
        """A row of `ANNOTATED_SCHEMA`."""
        item, frames, completion = self.decoded.item, self.frames, self.completion
        return {
            "item_id": item.item_id,
            "kind": str(item.kind),
            "item_version": item.item_version,
            "uris": [medium.uri for medium in item.media],
            "task": self.pending.name,
            "fingerprint": self.pending.fingerprint,
            "replaces": self.pending.replaces,
            "attempt": self.pending.attempt,
            "failed_before": self.pending.failed_before,
            "answer": None if answer is None else json.dumps(answer, ensure_ascii=False),
            "failure": failure_to_struct(failure),
            "frame_pts": list(frames.pts_s) if frames and frames.pts_s else None,
            "source_width": frames.source_width if frames else None,
            "source_height": frames.source_height if frames else None,
            "image_tokens": completion.image_tokens if completion else None,
            "prompt_tokens": completion.prompt_tokens if completion else None,
            "output_tokens": completion.output_tokens if completion else None,
            "finish_reason": completion.finish_reason if completion else None,
            "engine_tries": self.tries,
        }
