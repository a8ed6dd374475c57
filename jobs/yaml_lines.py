"""Read YAML and remember the line of every key."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from schemas.failure import JobFileError, Problem

KeyPath = tuple[str | int, ...]

MAX_VALUES = 100_000
MAX_DEPTH = 50

# Besides its own errors PyYAML lets these out, for values that do not fit an explicit tag
# (`!!int ""`), impossible dates and bottomless nesting.
_PARSER_ERRORS = (
    yaml.YAMLError,
    ArithmeticError,
    AttributeError,
    LookupError,
    RecursionError,
    TypeError,
    ValueError,
)


@dataclass
class SourceText:
    """A parsed YAML file.

    Attributes:
        name: The file's name, for messages.
        data: The mapping that it holds.
        lines: 1-based line of each key and list entry, by its path.
    """

    name: str
    data: dict[str, Any]
    lines: dict[KeyPath, int] = field(default_factory=dict)


class YamlError(ValueError):
    """Text that is no YAML, or not YAML of a size that a job can have.

    Attributes:
        reason: Why, on one line.
        line: 1-based line, if known.
    """

    def __init__(self, reason: str, line: int | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.line = line


class _Loader(yaml.SafeLoader):
    """Remembers which node it is turning into a value, for errors that name none."""

    at: yaml.Node | None = None

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:
        self.at = node
        return super().construct_object(node, deep=deep)


def read_yaml(path: Path) -> SourceText:
    """Read a YAML file that holds one mapping.

    Raises:
        JobFileError: If it cannot be read, is no YAML, repeats a key, or holds no mapping.
    """
    name = str(path)
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise _file_error(name, "there is no such file") from None
    except IsADirectoryError:
        raise _file_error(name, "expected a file; this is a folder") from None
    except UnicodeDecodeError as error:
        raise _file_error(name, f"expected UTF-8 text ({error.reason})") from None
    except OSError as error:
        raise _file_error(name, f"it cannot be read: {error.strerror}") from None
    return parse_yaml(text, name)


def parse_yaml(text: str, name: str) -> SourceText:
    """Parse YAML text that holds one mapping; see `read_yaml`."""
    try:
        node, data = _parsed(text)
    except YamlError as error:
        raise _file_error(name, f"this is no YAML: {error.reason}", error.line) from None
    if node is None:
        raise _file_error(name, "the file is empty; expected a job")
    lines, repeated = _walk(node)
    if repeated:
        raise JobFileError(name, repeated)
    if not isinstance(data, dict) or not all(isinstance(key, str) for key in data):
        raise _file_error(name, "expected keys and values, such as `input: s3://bucket/`")
    return SourceText(name, data, lines)


def parse_value(text: str) -> Any:
    """Parse one YAML value.

    Raises:
        YamlError: If the text is no YAML.
    """
    return _parsed(text)[1]


def _parsed(text: str) -> tuple[yaml.Node | None, Any]:
    loader = None
    try:
        loader = _Loader(text)
        node = loader.get_single_node()
        data = None if node is None else loader.construct_document(node)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        reason = error.problem or error.context or "it cannot be read"
        raise YamlError(reason, mark.line + 1 if mark else None) from None
    except _PARSER_ERRORS as error:
        at = loader.at if loader is not None else None
        raise YamlError(_words(error), at.start_mark.line + 1 if at else None) from None
    return node, _Copier().copy(data)


class _Copier:
    """Writes aliases out, so that no two places share a value, within bounds.

    A few lines of nested aliases can stand for more values than memory holds.
    """

    def __init__(self) -> None:
        self._values = 0

    def copy(self, value: Any, depth: int = 0) -> Any:
        self._values += 1
        if self._values > MAX_VALUES:
            raise YamlError(f"with its aliases it holds more than {MAX_VALUES:,} values")
        if depth > MAX_DEPTH:
            raise YamlError(f"it is nested more than {MAX_DEPTH} deep")
        if isinstance(value, dict):
            return {key: self.copy(entry, depth + 1) for key, entry in value.items()}
        if isinstance(value, list):
            return [self.copy(entry, depth + 1) for entry in value]
        return value


def _words(error: BaseException) -> str:
    if isinstance(error, RecursionError):
        return f"it is nested more than {MAX_DEPTH} deep"
    # Only these say something about the value; the others about PyYAML's insides.
    says = isinstance(error, ValueError | yaml.YAMLError) and str(error)
    return says.splitlines()[0] if says else "the value does not fit its type"


def _file_error(name: str, expected: str, line: int | None = None) -> JobFileError:
    return JobFileError(name, [Problem("", None, expected, line)])


def _walk(root: yaml.Node) -> tuple[dict[KeyPath, int], list[Problem]]:
    """Collect lines and repeated keys; each node once, so that aliases cannot explode."""
    lines: dict[KeyPath, int] = {}
    repeated: list[Problem] = []
    seen: set[int] = set()
    waiting: list[tuple[KeyPath, yaml.Node]] = [((), root)]
    while waiting:
        path, node = waiting.pop()
        if id(node) in seen:
            continue
        seen.add(id(node))
        if isinstance(node, yaml.SequenceNode):
            for index, entry in enumerate(node.value):
                lines[(*path, index)] = entry.start_mark.line + 1
                waiting.append(((*path, index), entry))
        elif isinstance(node, yaml.MappingNode):
            for key, value in node.value:
                below = (*path, str(key.value))
                line = key.start_mark.line + 1
                if below in lines:
                    expected = f"expected each key once; it is on line {lines[below]} too"
                    repeated.append(Problem(dotted(below), None, expected, line))
                lines.setdefault(below, line)
                waiting.append((below, value))
    return lines, repeated


def dotted(path: KeyPath) -> str:
    """A key path as people write it: ``tasks[1].vocabulary``."""
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else str(part)
    return text
