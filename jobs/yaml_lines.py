"""Read YAML and remember the line of every key."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from schemas.failure import JobFileError, Problem

KeyPath = tuple[str | int, ...]

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

    def line_of(self, path: KeyPath) -> int | None:
        """Line of a key, or of the nearest key around it."""
        while path:
            if path in self.lines:
                return self.lines[path]
            path = path[:-1]
        return None


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
    loader = None
    try:
        loader = yaml.SafeLoader(text)
        node = loader.get_single_node()
        if node is None:
            raise _file_error(name, "the file is empty; expected a job")
        lines, repeated = _walk(node)
        data = loader.construct_document(node)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark else None
        raise _file_error(name, f"this is no YAML: {error.problem}", line) from None
    except _PARSER_ERRORS as error:
        raise _file_error(name, f"this is no YAML: {_words(error)}") from None
    if repeated:
        raise JobFileError(name, repeated)
    if not isinstance(data, dict) or not all(isinstance(key, str) for key in data):
        raise _file_error(name, "expected keys and values, such as `input: s3://bucket/`")
    return SourceText(name, data, lines)


def _words(error: BaseException) -> str:
    return str(error).splitlines()[0] if str(error) else type(error).__name__


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
