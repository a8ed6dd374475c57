"""A reader of Delta tables that shares nothing with the one that wrote them.

It knows the log's JSON files and Parquet, and no more than the format's description says:
https://github.com/delta-io/delta/blob/master/PROTOCOL.md
"""

from __future__ import annotations

import io
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote

import pyarrow as pa
import pyarrow.parquet as pq

_ENTRY = re.compile(r"^_delta_log/(\d{20})\.json$")

Files = Mapping[str, bytes]
"""A table's folder: content by path below it."""


@dataclass(frozen=True)
class Added:
    """A data file that the log has made part of the table.

    Attributes:
        path: Below the table's folder.
        version: Of the commit.
        size: Bytes, as the log has it.
        records: Rows, likewise; None if it does not say.
    """

    path: str
    version: int
    size: int
    records: int | None


@dataclass(frozen=True)
class Commit:
    """One entry of the log.

    Attributes:
        version: Its number.
        marks: Versions by application, from its ``txn`` actions.
        added: What it made part of the table.
        removed: Paths that it took out.
    """

    version: int
    marks: dict[str, int]
    added: tuple[Added, ...]
    removed: tuple[str, ...]


@dataclass
class TableLog:
    """A table's log, replayed from its first entry.

    Attributes:
        commits: In order.
        live: Files that a reader reads, by path.
        ever: Paths of all files that were live at any time.
        problems: Where the log contradicts itself.
    """

    commits: list[Commit] = field(default_factory=list)
    live: dict[str, Added] = field(default_factory=dict)
    ever: set[str] = field(default_factory=set)
    problems: list[str] = field(default_factory=list)

    def apply(self, commit: Commit) -> None:
        """Take one entry in."""
        expected = self.commits[-1].version + 1 if self.commits else 0
        if commit.version != expected:
            self.problems.append(f"entry {commit.version} where {expected} was due")
        self.commits.append(commit)
        for path in commit.removed:
            if self.live.pop(path, None) is None:
                self.problems.append(f"entry {commit.version} removes {path}, which is not in")
        for file in commit.added:
            if file.path in self.ever:
                self.problems.append(f"entry {commit.version} adds {file.path} a second time")
            self.live[file.path] = file
            self.ever.add(file.path)


def replay(files: Files) -> TableLog:
    """Read a table's log."""
    log = TableLog()
    for name in sorted(files):
        entry = _ENTRY.match(name)
        if entry:
            log.apply(_commit(int(entry[1]), files[name]))
    return log


def _commit(version: int, content: bytes) -> Commit:
    marks: dict[str, int] = {}
    added: list[Added] = []
    removed: list[str] = []
    for line in content.splitlines():
        action: dict[str, Any] = json.loads(line)
        if txn := action.get("txn"):
            marks[txn["appId"]] = txn["version"]
        if add := action.get("add"):
            statistics = json.loads(add.get("stats") or "{}")
            path = unquote(add["path"])
            added.append(Added(path, version, add["size"], statistics.get("numRecords")))
        if remove := action.get("remove"):
            removed.append(unquote(remove["path"]))
    return Commit(version, marks, tuple(added), tuple(removed))


def data_files(files: Files) -> set[str]:
    """Parquet files in a table's folder, whether the log knows of them or not."""
    return {name for name in files if name.endswith(".parquet") and "/" not in name}


def rows_of(content: bytes) -> pa.Table:
    """The rows of one data file."""
    return pq.read_table(io.BytesIO(content))
