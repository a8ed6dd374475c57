"""The contracts between operators: an operator, an engine, what goes in and comes out."""

from __future__ import annotations

from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any, Protocol

import pyarrow as pa

from schemas.media import Frames


class Operator(Protocol):
    """Something done to a batch of rows.

    Built from plain values on the driver and shipped; heavy parts (clients, models) are
    made in `setup`, on the worker. It returns a row for every row that it is given:
    one that went wrong carries its failure.
    """

    def setup(self) -> None:
        """Make what is too heavy to ship. Called once, before the first batch."""

    def __call__(self, batch: pa.Table) -> pa.Table:
        """Process one batch."""

    def close(self) -> None:
        """Release what `setup` made. Called once; must not raise."""


@dataclass(frozen=True)
class Sampling:
    """How tokens are chosen; greedy unless asked otherwise.

    Attributes:
        max_tokens: Longest answer, in tokens.
        temperature: 0 is greedy.
        seed: Seed of the request's own random numbers.
        json_schema: If given, the answer is forced to be JSON of this schema.
        measured: Whether the probability of each token is wanted.
    """

    max_tokens: int
    temperature: float = 0.0
    seed: int = 0
    json_schema: dict[str, Any] | None = None
    measured: bool = False


@dataclass(frozen=True)
class Request:
    """One prompt about one item.

    Attributes:
        request_id: Unique within the engine's life.
        prompt: The rendered prompt, with the family's placeholder for each medium.
        frames: The pixels. Kind image or images: each frame is an image; kind video: the
            frames are one video.
        sampling: How to answer.
        media_key: The same for all requests about the same pixels, so that the engine can
            keep what it made of them; different otherwise.
    """

    request_id: str
    prompt: str
    frames: Frames
    sampling: Sampling
    media_key: str


@dataclass(frozen=True)
class TokenChance:
    """A token of an answer, and how likely it was.

    Attributes:
        end: Characters of the answer up to and with it.
        logprob: Natural logarithm of its probability among the tokens that the answer's
            schema allowed at its place.
    """

    end: int
    logprob: float


@dataclass(frozen=True)
class Completion:
    """An engine's answer.

    Attributes:
        text: The answer.
        finish_reason: ``stop`` or ``length``.
        image_tokens: Placeholder tokens in the prompt as the engine ran it, one for each
            embedding of the media.
        prompt_tokens: All tokens of that prompt.
        output_tokens: Tokens of the answer.
        chances: The answer's tokens one by one, if that was wanted; else empty.
    """

    text: str
    finish_reason: str
    image_tokens: int
    prompt_tokens: int
    output_tokens: int
    chances: tuple[TokenChance, ...] = ()


class Engine(Protocol):
    """Runs the model. Thread-safe: many threads submit at once."""

    def start(self) -> None:
        """Load the model. Raises `EngineError` if that fails."""

    def submit(self, request: Request) -> Future[Completion]:
        """Take a request and return at once.

        The future raises `ItemFailure` when this request is at fault (refused, prompt too
        long) and `EngineError` when the engine died.
        """

    def shutdown(self) -> None:
        """Stop the engine and every process that it started. Never raises."""


@dataclass(frozen=True)
class EngineSpec:
    """A description from which a worker builds its engine.

    Attributes:
        factory: ``vllm`` or ``fake``.
        options: Keyword arguments of that engine's class.
    """

    factory: str
    options: dict[str, Any] = field(default_factory=dict)
