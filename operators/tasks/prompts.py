"""Prompts: Jinja templates, and the item's own context fenced in as data.

The instruction of a task goes into the system turn and is the same for all its items, so
that engines compute it once. What is known of one item goes into the user turn.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from jinja2 import StrictUndefined, TemplateSyntaxError, nodes
from jinja2.exceptions import SecurityError, TemplateError, UndefinedError
from jinja2.sandbox import ImmutableSandboxedEnvironment

from schemas.failure import UsageError
from schemas.media import Frames

CUT_MARK = " [...]"


class Datum(str):
    """A text that came with an item: shown in quotes, never as part of the prompt."""


@dataclass
class Context(Mapping[str, Any]):
    """What came with an item, as templates see it: ``{{ context.title }}``.

    Texts are shown as JSON strings, so that none can close its quotes or begin a line, and
    those longer than `max_chars` are cut.

    Attributes:
        given: By column.
        max_chars: Characters shown of one value.
        cut: Columns of which only a part was shown.
    """

    given: Mapping[str, Any]
    max_chars: int
    cut: set[str] = field(default_factory=set)

    def __getitem__(self, column: str) -> Any:
        value = self.given[column]
        if value is None or isinstance(value, bool | int | float):
            return value
        text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
        if len(text) > self.max_chars:
            self.cut.add(column)
            text = text[: self.max_chars] + CUT_MARK
        return Datum(text)

    def __iter__(self) -> Iterator[str]:
        return iter(self.given)

    def __len__(self) -> int:
        return len(self.given)


@dataclass(frozen=True)
class Shown:
    """The frames, as templates see them: ``{{ shown.count }}``.

    Attributes:
        count: Images or frames.
        duration_s: Of the video, if it is one and says so.
        times: ``1: 0.0, 2: 1.5``: number and second of each frame of a video.
    """

    count: int
    duration_s: float | None
    times: str

    @staticmethod
    def of(frames: Frames) -> Shown:
        """What to say of these frames."""
        times = ", ".join(f"{n}: {pts:.1f}" for n, pts in enumerate(frames.pts_s, start=1))
        return Shown(len(frames.shapes), frames.duration_s, times)


def _shown(value: Any) -> Any:
    if isinstance(value, Datum):
        return json.dumps(str(value), ensure_ascii=False)
    return "(not given)" if value is None else value


_ENVIRONMENT = ImmutableSandboxedEnvironment(
    undefined=StrictUndefined,
    autoescape=False,
    trim_blocks=True,
    lstrip_blocks=True,
    finalize=_shown,
)


@lru_cache(maxsize=512)
def _compiled(template: str) -> Any:
    return _ENVIRONMENT.from_string(template)


def render(template: str, **names: Any) -> str:
    """Fill in a template.

    Raises:
        UsageError: If it is no Jinja template, or names what is not there.
    """
    try:
        return str(_compiled(template).render(**names)).strip()
    except TemplateSyntaxError as error:
        raise UsageError(f"line {error.lineno} of the prompt: {error.message}") from None
    except (UndefinedError, SecurityError, TemplateError) as error:
        there = ", ".join(names)
        raise UsageError(
            f"the prompt cannot be filled in: {error}; it may use {there}"
        ) from None


def context_columns(template: str) -> frozenset[str]:
    """The columns that a template names: ``context.title`` or ``context["title"]``.

    Raises:
        UsageError: If it is no Jinja template.
    """
    try:
        tree = _ENVIRONMENT.parse(template)
    except TemplateSyntaxError as error:
        raise UsageError(f"line {error.lineno} of the prompt: {error.message}") from None
    found = set()
    for node in tree.find_all((nodes.Getattr, nodes.Getitem)):
        assert isinstance(node, nodes.Getattr | nodes.Getitem)
        if not (isinstance(node.node, nodes.Name) and node.node.name == "context"):
            continue
        if isinstance(node, nodes.Getattr):
            found.add(node.attr)
        elif isinstance(node.arg, nodes.Const):
            found.add(str(node.arg.value))
    return frozenset(found)
