"""Values of a job that are replaced on the command line: ``--set a.b=value``."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from jobs.yaml_lines import KeyPath, YamlError, parse_value
from schemas.failure import UsageError

SHORTHAND = {"input": "uris", "model": "path", "output": "uri"}
"""Sections that may be one value, and the key that this value stands for."""


def apply_overrides(data: dict[str, Any], overrides: Sequence[str]) -> list[KeyPath]:
    """Set values by key path, in place; values are YAML.

    Args:
        data: A job as parsed; no two places in it share a value.
        overrides: Texts such as ``model.seed=1`` or ``tasks.0.max_chars=100``.

    Returns:
        The path of each value that was set.

    Raises:
        UsageError: If an override has no ``=``, no key, no YAML, or leads into a plain value.
    """
    return [_apply(data, override) for override in overrides]


def _apply(data: dict[str, Any], override: str) -> KeyPath:
    key, separator, text = override.partition("=")
    parts = key.split(".")
    if not separator or not all(parts):
        raise UsageError(f"--set {override!r}: expected KEY=VALUE, such as model.seed=1")
    try:
        value = parse_value(text)
    except YamlError as error:
        raise UsageError(
            f"--set {override!r}: the value is no YAML ({error.reason}); text may need quotes "
            f"inside the shell's own: --set '{key}=\"...\"'"
        ) from None
    place: Any = data
    path: KeyPath = ()
    for part, below in pairwise(parts):
        step = _key(place, part, override)
        path = (*path, step)
        place = _enter(place, step, below, _shorthand_of(path), override)
    last = _key(place, parts[-1], override)
    place[last] = value
    return (*path, last)


def _shorthand_of(path: KeyPath) -> str | None:
    if len(path) == 1:
        return SHORTHAND.get(str(path[0]))
    return "task" if len(path) == 2 and path[0] == "tasks" else None


def _enter(
    place: Any, step: str | int, below: str, shorthand: str | None, override: str
) -> dict[str, Any] | list[Any]:
    """The section at ``step``, made if it is not there, written out if it is shorthand."""
    section = place.get(step) if isinstance(place, dict) else place[step]
    if section is None:
        section = place[step] = {}
    elif isinstance(section, list):
        if shorthand is not None and not below.isdecimal():
            section = place[step] = {shorthand: section}
    elif not isinstance(section, dict):
        if shorthand is None:
            raise UsageError(f"--set {override!r}: {step} is a value and has no keys below it")
        section = place[step] = {shorthand: section}
    return section


def _key(place: dict[str, Any] | list[Any], part: str, override: str) -> str | int:
    if isinstance(place, dict):
        return part
    if not place:
        raise UsageError(f"--set {override!r}: the list before {part} is empty; set it whole")
    if not part.isdecimal() or int(part) >= len(place):
        last = len(place) - 1
        raise UsageError(f"--set {override!r}: expected a number from 0 to {last}, not {part}")
    return int(part)
