"""Ask the model about decoded items and read its answers."""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import dataclass, field, replace
from typing import Any

import pyarrow as pa

from operators.base import Completion, Engine, EngineSpec, Request, Sampling
from operators.engines import build_engine
from operators.models.base import Geometry, ModelFamily, PromptParts
from operators.models.registry import family as family_of
from operators.tasks.arrow import Row
from operators.tasks.base import Conversation, Question, Reply, Subject
from operators.tasks.reading import read_answer
from operators.tasks.registry import BoundTask
from schemas.failure import FailureCode, ItemFailure, Stage, UsageError
from schemas.item import (
    ANNOTATED_SCHEMA,
    DecodedItem,
    PendingTask,
    failure_to_struct,
    table_to_decoded,
)
from schemas.media import Frames

MORE_TOKENS_FACTOR = 2
RETRY_TEMPERATURE = 0.7


class AnnotateOperator:
    """Decoded items in, one row for each item and task out.

    Thread-safe: several threads may call it at once, and should, so that the engine
    always has work. The first questions of a batch are all handed over before any is
    waited for, and what follows from an answer is asked as soon as it is there.

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
        tasks: Sequence[BoundTask],
        seed: int = 0,
    ) -> None:
        self._engine_spec = engine
        self._family: ModelFamily = family_of(family_id)
        self._geometry = geometry
        self._tasks: dict[str, BoundTask] = {bound.name: bound for bound in tasks}
        self._seed = seed
        self._engine: Engine | None = None

    def setup(self) -> None:
        """Start the engine. Raises `EngineError` if that fails."""
        engine = build_engine(self._engine_spec)
        engine.start()
        self.use(engine)

    def use(self, engine: Engine) -> None:
        """Ask an engine that is running already, in place of `setup`."""
        self._engine = engine

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
        talks = [
            self._begin(decoded, pending)
            for decoded in table_to_decoded(batch)
            for pending in decoded.item.tasks
        ]
        waiting = {asked.future: (talk, asked) for talk in talks for asked in talk.asked}
        while waiting:
            answered, _ = wait(waiting, return_when=FIRST_COMPLETED)
            for future in answered:
                talk, asked = waiting.pop(future)
                for following in self._take(talk, asked):
                    waiting[following.future] = (talk, following)
        rows = [talk.as_row() for talk in talks]
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
            _Talk(decoded, pending, failure=decoded.failure or failure).as_row()
            for decoded in table_to_decoded(batch)
            for pending in decoded.item.tasks
        ]
        return pa.Table.from_pylist(rows, schema=ANNOTATED_SCHEMA)

    def _begin(self, decoded: DecodedItem, pending: PendingTask) -> _Talk:
        """Hand the first questions over, unless the item failed on its way here."""
        talk = _Talk(decoded, pending, failure=decoded.failure)
        if decoded.frames is None:
            return talk
        bound = self._tasks[pending.name]
        talk.subject = Subject(decoded.frames, decoded.item.context, decoded.places)
        talk.conversation = bound.task.converse(bound.options, talk.subject)
        talk.context_cut = bound.task.context_cut(bound.options, talk.subject)
        self._go_on(talk)
        return talk

    def _go_on(self, talk: _Talk) -> list[_Asked]:
        """Tell a conversation its replies; hand over what it asks next."""
        questions = talk.next_questions()
        try:
            talk.asked = [self._ask(talk, question) for question in questions]
        except (ItemFailure, UsageError) as error:
            talk.fail(error)
            talk.asked = []
        return talk.asked

    def _ask(self, talk: _Talk, question: Question) -> _Asked:
        parts = PromptParts(system=question.system, user=question.user)
        request = Request(
            request_id=uuid.uuid4().hex,
            prompt=self._family.render(parts, question.frames),
            frames=question.frames,
            sampling=Sampling(
                max_tokens=question.max_tokens,
                seed=self._seed,
                json_schema=question.schema,
                measured=question.measured,
            ),
            media_key=talk.media_key(question.frames),
        )
        return _Asked(question, request, self._submit(request))

    def _submit(self, request: Request) -> Future[Completion]:
        if self._engine is None:
            raise RuntimeError("setup() must be called before the first batch")
        return self._engine.submit(request)

    def _take(self, talk: _Talk, asked: _Asked) -> list[_Asked]:
        """Read an answer; returns what was asked because of it."""
        try:
            asked.reply = self._read(asked)
        except ItemFailure as failure:
            retry = _second_try(asked, failure)
            if retry is not None:
                asked.request, asked.future = retry, self._submit(retry)
                return [asked]
            asked.failure = failure
        return self._go_on(talk) if talk.round_is_over else []

    def _read(self, asked: _Asked) -> Reply:
        """Raise `ItemFailure` unless the model saw the media and said what was asked."""
        asked.tries += 1
        completion = asked.future.result()
        asked.completion = completion
        expected = self._family.image_tokens(asked.question.frames, self._geometry)
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
        return Reply(read_answer(asked.question.answer, completion.text), completion)


def _second_try(asked: _Asked, failure: ItemFailure) -> Request | None:
    """The request to try next, or None where a second try cannot help."""
    if asked.tries > 1:
        return None
    sampling = asked.request.sampling
    if failure.code is FailureCode.ANSWER_CUT:
        sampling = replace(sampling, max_tokens=sampling.max_tokens * MORE_TOKENS_FACTOR)
    elif failure.code is FailureCode.UNPARSABLE:
        # A greedy answer would come out the same: another seed needs a temperature.
        sampling = replace(sampling, seed=sampling.seed + 1, temperature=RETRY_TEMPERATURE)
    else:
        return None
    return replace(asked.request, request_id=uuid.uuid4().hex, sampling=sampling)


@dataclass
class _Asked:
    """A question on its way to its reply."""

    question: Question
    request: Request
    future: Future[Completion]
    completion: Completion | None = None
    reply: Reply | None = None
    failure: ItemFailure | None = None
    tries: int = 0


@dataclass
class _Talk:
    """One task asked about one item, on its way from first question to row."""

    decoded: DecodedItem
    pending: PendingTask
    failure: ItemFailure | None = None
    subject: Subject | None = None
    conversation: Conversation | None = None
    asked: list[_Asked] = field(default_factory=list)
    context_cut: list[str] = field(default_factory=list)
    row: Row | None = None
    completions: list[Completion] = field(default_factory=list)
    tries: int = 0

    @property
    def round_is_over(self) -> bool:
        """Whether every question of this round has its reply or its failure."""
        return all(asked.reply or asked.failure for asked in self.asked)

    def next_questions(self) -> Sequence[Question]:
        """Advance the conversation; nothing more to ask once it has its row or failed."""
        assert self.conversation is not None
        self._count()
        failures = [asked.failure for asked in self.asked if asked.failure]
        try:
            if failures:
                return self.conversation.throw(failures[0])
            if not self.asked:
                return next(self.conversation)
            return self.conversation.send([a.reply for a in self.asked if a.reply])
        except StopIteration as end:
            self.row = end.value
        except (ItemFailure, UsageError) as error:
            self.fail(error)
        return []

    def fail(self, error: ItemFailure | UsageError) -> None:
        """End as a failure row."""
        if isinstance(error, UsageError):
            error = ItemFailure(Stage.ANNOTATE, FailureCode.PROMPT_INVALID, str(error))
        self.failure = error

    def _count(self) -> None:
        self.tries += sum(asked.tries for asked in self.asked)
        self.completions += [asked.completion for asked in self.asked if asked.completion]

    def media_key(self, frames: Frames) -> str:
        """Names these pixels, so that the engine prepares them once for all questions."""
        item = self.decoded.item
        key = f"{item.item_id}@{item.item_version}"
        if frames is self.decoded.frames:
            return key
        return f"{key}#{hashlib.sha256(frames.pixels).hexdigest()[:16]}"

    def as_row(self) -> dict[str, Any]:
        """A row of `ANNOTATED_SCHEMA`."""
        item, frames, said = self.decoded.item, self.decoded.frames, self.completions
        left_out = [vars(left) for left in self.decoded.left_out]
        return {
            "item_id": item.item_id,
            "kind": str(item.kind),
            "item_version": item.item_version,
            "uris": [medium.uri for medium in item.media],
            "carried": item.carried,
            "task": self.pending.name,
            "fingerprint": self.pending.fingerprint,
            "replaces": self.pending.replaces,
            "attempt": self.pending.attempt,
            "failed_before": self.pending.failed_before,
            "answer": None if self.row is None else self.row.model_dump_json(),
            "failure": failure_to_struct(self.failure),
            "frame_pts": list(frames.pts_s) if frames and frames.pts_s else None,
            "source_width": frames.source_width if frames else None,
            "source_height": frames.source_height if frames else None,
            "left_out": left_out or None,
            "context_cut": self.context_cut or None,
            "image_tokens": sum(c.image_tokens for c in said) if said else None,
            "prompt_tokens": sum(c.prompt_tokens for c in said) if said else None,
            "output_tokens": sum(c.output_tokens for c in said) if said else None,
            "finish_reason": said[-1].finish_reason if said else None,
            "engine_tries": self.tries,
        }
