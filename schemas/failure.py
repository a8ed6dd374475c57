"""How things go wrong: one tree of errors, one list of failure codes.

::

    TaglineError
    ├── UsageError               the caller asked for something impossible   exit 2
    │   └── JobFileError         a job file with one or more problems        exit 2
    ├── InfrastructureError      storage, Ray or the engine; worth a retry   exit 3
    │   ├── StorageError
    │   ├── OutputInUseError another run writes to the same output
    │   ├── ClusterError
    │   └── EngineError
    └── ItemFailure              one item, one stage: becomes a failure row

What an `ItemFailure` says, by stage; a star marks what a later run may mend::

    fetch      missing_object  access_denied  changed_object*  storage_unavailable*
               bad_address  no_media
    decode     empty_file  not_media  format_not_allowed  truncated  corrupt  too_large
               no_video_stream  no_frames  decode_timeout*  poison
    annotate   no_task_for_kind  prompt_invalid  prompt_too_long  engine_refused  blind
               poison  twin_failed*
    parse      answer_cut*  unparsable*
    (any)      unexpected*

Foreign exceptions are mapped onto this tree where they enter (the storage clients,
Pillow, PyAV, vLLM), never further in; `ItemFailure.exception` keeps a trace of them.
"""

from __future__ import annotations

import hashlib
import traceback
from dataclasses import dataclass
from enum import StrEnum
from typing import Any


class Stage(StrEnum):
    """Where on its way an item failed."""

    PLAN = "plan"
    FETCH = "fetch"
    DECODE = "decode"
    ANNOTATE = "annotate"
    PARSE = "parse"


class FailureCode(StrEnum):
    """Why an item failed. Codes are part of the output: rename none of them."""

    # fetch
    MISSING_OBJECT = "missing_object"
    ACCESS_DENIED = "access_denied"
    CHANGED_OBJECT = "changed_object"
    STORAGE_UNAVAILABLE = "storage_unavailable"
    BAD_ADDRESS = "bad_address"
    NO_MEDIA = "no_media"
    # decode
    EMPTY_FILE = "empty_file"
    NOT_MEDIA = "not_media"
    FORMAT_NOT_ALLOWED = "format_not_allowed"
    TRUNCATED = "truncated"
    CORRUPT = "corrupt"
    TOO_LARGE = "too_large"
    NO_VIDEO_STREAM = "no_video_stream"
    NO_FRAMES = "no_frames"
    DECODE_TIMEOUT = "decode_timeout"
    # annotate
    NO_TASK_FOR_KIND = "no_task_for_kind"
    PROMPT_INVALID = "prompt_invalid"
    PROMPT_TOO_LONG = "prompt_too_long"
    ENGINE_REFUSED = "engine_refused"
    BLIND = "blind"
    TWIN_FAILED = "twin_failed"
    # decode or annotate: it kills the process that works on it
    POISON = "poison"
    # parse
    ANSWER_CUT = "answer_cut"
    UNPARSABLE = "unparsable"
    # anything nobody foresaw: a defect of Tagline's, reported as such
    UNEXPECTED = "unexpected"


RETRYABLE = frozenset(
    {
        FailureCode.CHANGED_OBJECT,
        FailureCode.STORAGE_UNAVAILABLE,
        FailureCode.DECODE_TIMEOUT,
        FailureCode.TWIN_FAILED,
        FailureCode.ANSWER_CUT,
        FailureCode.UNPARSABLE,
        FailureCode.UNEXPECTED,
    }
)
"""Codes that another attempt can mend; the others depend on the item alone."""

MAX_MESSAGE_CHARS = 2000
MAX_RAW_TEXT_CHARS = 20_000


class TaglineError(Exception):
    """Whatever Tagline itself raises on purpose."""


class UsageError(TaglineError):
    """The caller asked for something that cannot be done as asked (exit 2)."""


@dataclass(frozen=True)
class Problem:
    """One thing wrong with a job file.

    Attributes:
        where: Key path, such as ``tasks[1].vocabulary``; empty for the whole file.
        found: The offending value as the user wrote it, or None if it is absent.
        expected: What would have been right, and any "did you mean".
        line: 1-based line in the file, if known.
    """

    where: str
    found: Any
    expected: str
    line: int | None = None


class JobFileError(UsageError):
    """A job file that cannot be run; carries every problem found, not the first."""

    def __init__(self, source: str, problems: list[Problem]) -> None:
        self.source = source
        self.problems = problems
        lines = [f"{source}: {len(problems)} problem(s)"]
        for problem in problems:
            place = f"line {problem.line}: " if problem.line else ""
            key = problem.where or "(file)"
            found = "" if problem.found is None else f" is {problem.found!r};"
            lines.append(f"  {place}{key}{found} {problem.expected}")
        super().__init__("\n".join(lines))


class InfrastructureError(TaglineError):
    """Something around the job failed; the same command may work later (exit 3)."""


class StorageError(InfrastructureError):
    """A store could not be reached, read or written, after all retries."""


class OutputInUseError(InfrastructureError):
    """Another run writes to the output, or has taken it over from this one."""


class ClusterError(InfrastructureError):
    """Ray could not be started or reached, or lost the job."""


class EngineError(InfrastructureError):
    """The engine could not be started, or died more often than it may."""


class ItemFailure(TaglineError):
    """One item cannot be annotated; becomes a row of the failures table.

    Args:
        stage: Where it failed.
        code: Why, from the closed list.
        message: For people: the value, the place and, if there is one, the remedy.
        raw_text: What the model said, when it is the model's answer that failed.
        exception: Digest of the foreign exception behind it, see `exception_digest`; by
            default of the one that it is raised from.
    """

    def __init__(
        self,
        stage: Stage,
        code: FailureCode,
        message: str,
        *,
        raw_text: str | None = None,
        exception: str | None = None,
    ) -> None:
        super().__init__(message)
        self.stage = stage
        self.code = code
        self.message = message[:MAX_MESSAGE_CHARS]
        self.raw_text = None if raw_text is None else raw_text[:MAX_RAW_TEXT_CHARS]
        self._exception = exception

    def __reduce__(self) -> tuple[Any, ...]:
        told = (self.stage, self.code, self.message, self.raw_text, self.exception)
        return (_rebuild_item_failure, told)

    @property
    def exception(self) -> str | None:
        """Digest of the foreign exception behind it; None if there was none."""
        if self._exception is None and self.__cause__ is not None:
            return exception_digest(self.__cause__)
        return self._exception

    @property
    def retryable(self) -> bool:
        """Whether another attempt can mend it."""
        return self.code in RETRYABLE


def _rebuild_item_failure(
    stage: Stage,
    code: FailureCode,
    message: str,
    raw_text: str | None,
    exception: str | None,
) -> ItemFailure:
    return ItemFailure(stage, code, message, raw_text=raw_text, exception=exception)


def exception_digest(error: BaseException) -> str:
    """An exception's type and a digest of the way it came, such as ``ValueError@1f0c9a2b``.

    Neither its text nor line numbers count: what went wrong in the same way for many items
    has one digest, whatever their names, and from one version to the next if it can.
    """
    way = [
        f"{frame.filename.rpartition('/')[2]}:{frame.name}"
        for frame in traceback.extract_tb(error.__traceback__)
    ]
    kind = type(error)
    name = (
        kind.__name__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__name__}"
    )
    digest = hashlib.sha256("\n".join([name, *way]).encode()).hexdigest()
    return f"{name}@{digest[:8]}"
