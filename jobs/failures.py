"""Failures as people ask about them: how many of what kind, for example which, what now."""

from __future__ import annotations

import difflib
from collections import Counter, defaultdict

from rich.console import Console
from rich.text import Text

from jobs.terminal import printable
from schemas.failure import FailureCode, UsageError
from schemas.job import StorageSpec
from schemas.tables import FAILURES_TABLE
from schemas.uris import join_uri

Kind = tuple[str, str, bool]
"""Code, stage, and whether another attempt can mend it."""


def failures_meant(text: str) -> frozenset[FailureCode]:
    """The codes of ``failed`` or ``failed:CODE,...``; none stands for all.

    Raises:
        UsageError: If it is written otherwise, or a code is none.
    """
    word, colon, codes = text.partition(":")
    if word != "failed" or (colon and not codes):
        raise UsageError(f"--retry is {text!r}; write failed, or failed:CODE,CODE")
    return frozenset(_code(name.strip()) for name in codes.split(",") if name.strip())


def _code(name: str) -> FailureCode:
    try:
        return FailureCode(name)
    except ValueError:
        known = [str(code) for code in FailureCode]
        near = difflib.get_close_matches(name, known, 1)
        hint = f"did you mean {near[0]}?" if near else f"codes are: {', '.join(known)}"
        raise UsageError(f"--retry: there is no failure code {name!r}; {hint}") from None


def show_failures(console: Console, output: str, storage: StorageSpec, examples: int) -> None:
    """Print an output's failures, grouped by code.

    Args:
        console: Where to.
        output: Root of the output.
        storage: How its store is reached.
        examples: Items shown of each group.

    Raises:
        UsageError: If there is no output.
        StorageError: If the store cannot be read.
    """
    from pipeline.delta import open_table, query

    table = open_table(join_uri(output, FAILURES_TABLE), storage)
    if table is None:
        raise UsageError(f"there is no table {FAILURES_TABLE} at {output}; is that an output?")
    counts: Counter[Kind] = Counter()
    shown: dict[Kind, list[tuple[str, str, str]]] = defaultdict(list)
    columns = "code, stage, retryable, item_id, task, message"
    for batch in query(table, f"SELECT {columns} FROM rows ORDER BY item_id, task"):
        for code, stage, retryable, *of_item in zip(*batch.to_pydict().values(), strict=True):
            kind = (code, stage, retryable)
            counts[kind] += 1
            if len(shown[kind]) < examples:
                shown[kind].append(tuple(of_item))
    if not counts:
        _say(console, "No failures")
    for kind, count in counts.most_common():
        _say_kind(console, kind, count, shown[kind])


def _say_kind(
    console: Console, kind: Kind, count: int, examples: list[tuple[str, str, str]]
) -> None:
    code, stage, retryable = kind
    what = "the next run tries again, a few times" if retryable else "final"
    _say(console, f"{code}  {count:,} row{'' if count == 1 else 's'}  at {stage}, {what}")
    for item_id, task, message in examples:
        _say(console, f"    {item_id}  {task}: {message}")
    if count > len(examples) > 0:
        _say(console, f"    and {count - len(examples):,} more")
    _say(console, f"    try them all: tagline run JOB.yaml --retry failed:{code}")


def _say(console: Console, line: str) -> None:
    console.print(Text(printable(line)), soft_wrap=True)
