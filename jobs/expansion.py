"""Environment variables in a job's values."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from typing import Any

from jobs.yaml_lines import KeyPath, dotted
from schemas.failure import Problem

_VARIABLE = re.compile(
    r"(?P<escaped>\$\$\{)"
    r"|\$\{(?P<name>[A-Za-z_][A-Za-z0-9_]*)(?::-(?P<default>[^{}]*))?\}"
    r"|(?P<malformed>\$\{[^}]*\}?)"
)


def expand_variables(
    data: Any, problems: list[Problem], environ: Mapping[str, str] = os.environ
) -> Any:
    """Replace ``${NAME}`` and ``${NAME:-default}`` in every string of a value.

    As in a shell, a default also stands in for a variable that is empty. ``$${`` is a
    literal ``${``.

    Args:
        data: As parsed from YAML.
        problems: Gets one for each variable that is not set and has no default, and for
            each string that no table or file name can hold.
        environ: The variables.

    Returns:
        A copy with the variables replaced.
    """
    return _Expansion(environ, problems).of(data, ())


class _Expansion:
    def __init__(self, environ: Mapping[str, str], problems: list[Problem]) -> None:
        self._environ = environ
        self._problems = problems

    def of(self, value: Any, path: KeyPath) -> Any:
        if isinstance(value, dict):
            return {key: self.of(entry, (*path, str(key))) for key, entry in value.items()}
        if isinstance(value, list):
            return [self.of(entry, (*path, index)) for index, entry in enumerate(value)]
        return self._text(value, path) if isinstance(value, str) else value

    def _text(self, text: str, path: KeyPath) -> str:
        def replace(match: re.Match[str]) -> str:
            if match["escaped"]:
                return "${"
            if match["malformed"]:
                words = "expected ${NAME} or ${NAME:-default}; write $${ for a literal ${"
                self._problems.append(Problem(dotted(path), text, words))
                return match[0]
            return self._variable(match, text, path)

        expanded = _VARIABLE.sub(replace, text)
        if not _is_storable(expanded):
            words = "expected text without NUL and without half characters (surrogates)"
            self._problems.append(Problem(dotted(path), expanded, words))
            return expanded.encode("utf-8", "replace").decode().replace("\0", "?")
        return expanded

    def _variable(self, match: re.Match[str], text: str, path: KeyPath) -> str:
        name, default = match["name"], match["default"]
        value = self._environ.get(name)
        if default is not None:
            return value or default
        if value is None:
            words = f"the environment variable {name} is not set; set it or write "
            self._problems.append(Problem(dotted(path), text, words + f"${{{name}:-default}}"))
            # Left as written: an empty text would be called wrong a second time.
            return match[0]
        return value


def _is_storable(text: str) -> bool:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return "\0" not in text
