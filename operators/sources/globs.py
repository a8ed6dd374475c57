"""Glob patterns over paths with forward slashes."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache


def _segment(pattern: str) -> str:
    """One path segment's pattern as a regular expression; ``*`` stays within it."""
    out, position = [], 0
    while position < len(pattern):
        character = pattern[position]
        position += 1
        if character == "*":
            out.append("[^/]*")
        elif character == "?":
            out.append("[^/]")
        elif character == "[":
            closing = pattern.find("]", position + 1 + pattern.startswith("!", position))
            if closing < 0:
                out.append(r"\[")
                continue
            inside = pattern[position:closing]
            negated = inside.startswith("!")
            body = re.sub(r"([\\\[\]^&~|])", r"\\\1", inside[negated:])
            out.append(f"(?!/)[{'^' if negated else ''}{body}]")
            position = closing + 1
        else:
            out.append(re.escape(character))
    return "".join(out)


@lru_cache(maxsize=256)
def compile_glob(pattern: str) -> re.Pattern[str]:
    """Translate a glob pattern into a regular expression for whole paths.

    ``*``, ``?`` and ``[...]`` match within one segment; a segment ``**`` matches any
    number of segments, none included; a closing ``**`` matches all that lies below.

    Raises:
        re.error: A range in ``[...]`` runs backwards, as in ``[z-a]``.
    """
    segments = pattern.strip("/").split("/")
    last = len(segments) - 1
    expression = ""
    for number, segment in enumerate(segments):
        if segment == "**":
            expression += ".+" if number == last else "(?:[^/]+/)*"
        else:
            expression += _segment(segment) + ("" if number == last else "/")
    return re.compile(expression, re.DOTALL)


def matches_any(path: str, patterns: Iterable[str]) -> bool:
    """Whether one of the patterns matches the whole path."""
    return any(compile_glob(pattern).fullmatch(path) for pattern in patterns)
