"""Environment variables and command-line overrides in a job's values."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from typing import Any

import yaml

from jobs.yaml_lines import KeyPath, dotted
from schemas.failure import Problem, UsageError

_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)(?::-([^}]*))?\}")

SHORTHAND = {"input": "uris", "model": "path", "output": "uri"}
"""Sections that may be one value, and the key that this value stands for."""


def expand_variables(
    data: Any, problems: list[Problem], environ: Mapping[str, str] = os.environ
) -> Any:
    """Replace ``${NAME}`` and ``${NAME:-default}`` in every string of a value.

    Args:
        data: As parsed from YAML.
        problems: Gets one for each variable that is not set and has no default.
        environ: The variables.

    Returns:
        A copy with the variables replaced.
    """
    return _expand(data, (), problems, environ, ())


def _expand(
    value: Any,
    path: KeyPath,
    problems: list[Problem],
    environ: Mapping[str, str],
    around: tuple[int, ...],
) -> Any:
    if isinstance(value, str):
        return _expand_text(value, path, problems, environ)
    if isinstance(value, dict | list):
        if id(value) in around:
            problems.append(Problem(dotted(path), None, "expected no value inside itself"))
            return None
        inside = (*around, id(value))
        if isinstance(value, dict):
            return {
                key: _expand(entry, (*path, str(key)), problems, environ, inside)
                for key, entry in value.items()
            }
        return [
            _expand(entry, (*path, index), problems, environ, inside)
            for index, entry in enumerate(value)
        ]
    return value


def _expand_text(
    text: str, path: KeyPath, problems: list[Problem], environ: Mapping[str, str]
) -> str:
    def replace(match: re.Match[str]) -> str:
        name, default = match.groups()
        value = environ.get(name, default)
        if value is None:
            expected = f"the environment variable {name} is not set; set it or write "
            problems.append(Problem(dotted(path), text, expected + f"${{{name}:-default}}"))
            return ""
        return value

    return _VARIABLE.sub(replace, text)


def apply_overrides(data: dict[str, Any], overrides: Sequence[str]) -> dict[str, Any]:
    """Set values by key path, as ``--set a.b=value`` does; values are YAML.

    Raises:
        UsageError: If an override has no ``=``, no key, or leads into a plain value.
    """
    for override in overrides:
        key, separator, text = override.partition("=")
        parts = [part for part in key.split(".") if part]
        if not separator or not parts:
            raise UsageError(f"--set {override!r}: expected KEY=VALUE, such as model.seed=1")
        try:
            value = yaml.safe_load(text)
        except yaml.YAMLError:
            value = text
        _set(data, parts, value, override)
    return data


def _set(data: dict[str, Any], parts: list[str], value: Any, override: str) -> None:
    place: Any = data
    for depth, part in enumerate(parts[:-1]):
        place = _step(place, part, override, shorthand=_shorthand_of(parts[: depth + 1]))
    last = parts[-1]
    if isinstance(place, list):
        place[_index(place, last, override)] = value
    else:
        place[last] = value


def _shorthand_of(parts: list[str]) -> str | None:
    if len(parts) == 1:
        return SHORTHAND.get(parts[0])
    return "task" if len(parts) == 2 and parts[0] == "tasks" else None


def _step(place: Any, part: str, override: str, *, shorthand: str | None) -> Any:
    """Go one key deeper, making sections that are not there."""
    key: str | int = _index(place, part, override) if isinstance(place, list) else part
    below = place.get(key) if isinstance(place, dict) else place[key]
    if below is None:
        below = place[key] = {}
    elif not isinstance(below, dict | list):
        if shorthand is None:
            raise UsageError(f"--set {override!r}: {part} is a value and has no keys below it")
        below = place[key] = {shorthand: below}
    return below


def _index(place: list, part: str, override: str) -> int:
    if not part.isdecimal() or int(part) >= len(place):
        last = len(place) - 1
        raise UsageError(f"--set {override!r}: expected a number from 0 to {last}, not {part}")
    return int(part)
