"""Conversations with the model: every question asked, retried and read until a row is made."""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import dataclass, field, replace
from typing import Any

from operators.base import Completion, Engine, Request, Sampling
from operators.models.base import Geometry, ModelFamily, PromptParts
from operators.repairs import other_sampling
from operators.tasks.arrow import Row
from operators.tasks.base import Conversation, Question, Reply
from operators.tasks.reading import read_answer
from schemas.failure import FailureCode, ItemFailure, Stage, UsageError
from schemas.item import DecodedItem, PendingTask
from schemas.item_tables import failure_to_struct
from schemas.media import Frames


@dataclass(frozen=True)
class Seen:
    """What the model was shown of an item, as its row tells.

    Attributes:
        frame_pts: For video, when each frame is shown, seconds.
        width: Of the source, pixels.
        height: Likewise.
        requested_pts: The moment for which each frame was taken, likewise; empty if that is
            not known.
        image_tokens: What showing it cost before the talk.
        prompt_tokens: Likewise.
        output_tokens: Likewise.
        finish_reason: Why the last answer before the talk ended, if there was one.
    """

    frame_pts: tuple[float, ...] = ()
    width: int | None = None
    height: int | None = None
    requested_pts: tuple[float, ...] = ()
    image_tokens: int = 0
    prompt_tokens: int = 0
    output_tokens: int = 0
    finish_reason: str | None = None

    @staticmethod
    def of(frames: Frames | None) -> Seen:
        """What these frames tell."""
        if frames is None:
            return Seen()
        size = frames.source_width, frames.source_height
        return Seen(frames.pts_s, *size, requested_pts=frames.requested_s)


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
    repairs: list[str] = field(default_factory=list)


@dataclass
class Talk:
    """One task asked about one item, or one of its windows, from first question to row.

    Attributes:
        decoded: The item.
        pending: The task, and what its row carries.
        conversation: What is asked; nothing if the talk failed before it began.
        failure: Why there is no row.
        seen: What the model is shown.
        context_cut: What of the context it was shown only in part.
        row: The answer.
        completions: What the engine said.
        tries: How often it was asked.
        repairs: What was changed of what is asked, see `operators.repairs`.
        copied_from: Whose answer the row is to take instead, and how far their looks are apart.
        of_elder: Whether an earlier run gave that answer.
    """

    decoded: DecodedItem
    pending: PendingTask
    conversation: Conversation | None = None
    failure: ItemFailure | None = None
    seen: Seen = field(default_factory=Seen)
    context_cut: list[str] = field(default_factory=list)
    row: Row | None = None
    completions: list[Completion] = field(default_factory=list)
    tries: int = 0
    repairs: list[str] = field(default_factory=list)
    copied_from: tuple[str | None, int | None] = (None, None)
    of_elder: bool = False
    asked: list[_Asked] = field(default_factory=list)

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
        self.repairs += [rung for asked in self.asked for rung in asked.repairs]

    def media_key(self, frames: Frames) -> str:
        """Names these pixels, so that the engine prepares them once for all questions."""
        item, part = self.decoded.item, self.decoded.part
        key = f"{item.item_id}@{item.item_version}"
        if part is not None:
            key += f"#part-{part.number}"
        if frames is self.decoded.frames and not self.repairs:
            return key
        return f"{key}#{hashlib.sha256(frames.pixels).hexdigest()[:16]}"

    def total(self) -> Seen:
        """What the model was shown, with what the talk has cost so far added."""
        seen, said = self.seen, self.completions
        return replace(
            seen,
            image_tokens=seen.image_tokens + sum(c.image_tokens for c in said),
            prompt_tokens=seen.prompt_tokens + sum(c.prompt_tokens for c in said),
            output_tokens=seen.output_tokens + sum(c.output_tokens for c in said),
            finish_reason=said[-1].finish_reason if said else seen.finish_reason,
        )

    def as_row(self) -> dict[str, Any]:
        """A row of `ANNOTATED_SCHEMA`."""
        item, seen = self.decoded.item, self.total()
        was_asked = seen.finish_reason is not None
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
            "frame_pts": list(seen.frame_pts) or None,
            "requested_pts": list(seen.requested_pts) or None,
            "source_width": seen.width,
            "source_height": seen.height,
            "left_out": left_out or None,
            "context_cut": self.context_cut or None,
            "image_tokens": seen.image_tokens if was_asked else None,
            "prompt_tokens": seen.prompt_tokens if was_asked else None,
            "output_tokens": seen.output_tokens if was_asked else None,
            "finish_reason": seen.finish_reason,
            "engine_tries": self.tries,
            "repairs": self.repairs or None,
            "content_key": item.content_key,
            "content_digest": self.decoded.digest,
            "twin": (self.decoded.digest and item.twin) or (self.decoded.look and item.alike),
            "copied_from": self.copied_from[0],
            "copy_distance": self.copied_from[1],
            "of_elder": self.of_elder,
        }


class Asker:
    """Asks an engine. Thread-safe.

    Args:
        engine: A running engine.
        family: How the model is asked.
        geometry: What an image costs.
        seed: Of every request.
    """

    def __init__(
        self, engine: Engine, family: ModelFamily, geometry: Geometry, seed: int
    ) -> None:
        self._engine = engine
        self._family = family
        self._geometry = geometry
        self._seed = seed

    def run(self, talks: Sequence[Talk]) -> None:
        """Carry talks to their ends, all at once.

        The first questions are all handed over before any is waited for, and what follows
        from an answer is asked as soon as it is there.

        Raises:
            EngineError: If the engine died.
        """
        for talk in talks:
            if talk.failure is None:
                self._go_on(talk)
        waiting = {asked.future: (talk, asked) for talk in talks for asked in talk.asked}
        while waiting:
            answered, _ = wait(waiting, return_when=FIRST_COMPLETED)
            for future in answered:
                talk, asked = waiting.pop(future)
                for following in self._take(talk, asked):
                    waiting[following.future] = (talk, following)

    def _go_on(self, talk: Talk) -> list[_Asked]:
        """Tell a conversation its replies; hand over what it asks next."""
        questions = talk.next_questions()
        try:
            talk.asked = [self._ask(talk, question) for question in questions]
        except (ItemFailure, UsageError) as error:
            talk.fail(error)
            talk.asked = []
        return talk.asked

    def _ask(self, talk: Talk, question: Question) -> _Asked:
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
        return _Asked(question, request, self._engine.submit(request))

    def _take(self, talk: Talk, asked: _Asked) -> list[_Asked]:
        """Read an answer; returns what was asked because of it."""
        try:
            asked.reply = self._read(asked)
        except ItemFailure as failure:
            if self._asked_otherwise(asked, failure):
                return [asked]
            asked.failure = failure
        return self._go_on(talk) if talk.round_is_over else []

    def _asked_otherwise(self, asked: _Asked, failure: ItemFailure) -> bool:
        """Ask once more, differently, if that can help; says whether it was."""
        rung = other_sampling(asked.request.sampling, failure.code, asked.repairs)
        if rung is None:
            return False
        name, sampling = rung
        asked.repairs.append(name)
        asked.request = replace(asked.request, request_id=uuid.uuid4().hex, sampling=sampling)
        asked.future = self._engine.submit(asked.request)
        return True

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
