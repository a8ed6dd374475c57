"""Says whether an output holds what it should, without asking Tagline.

What it compares the tables with are the items as they were drawn, the journal of what the
runs took for committed, and what it saw itself when it looked before.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.chaos.delta_log import Added, Files, TableLog, data_files, replay, rows_of

LEASE_MARK = "tagline-lease"
FAILURES = "failures"

Key = tuple[str, str, str]
"""Table, item, task."""

Belongs = Callable[[str, dict[str, Any]], bool]
"""Whether a row of a table, given with the table's name, tells of its own item."""


@dataclass
class Findings:
    """What is wrong; nothing, if all is empty.

    Attributes:
        lost: Rows that were committed and are gone or cannot be read, and, once the work
            is done, items that have neither result nor failure.
        doubled: Keys with several rows, and, once the work is done, items with a result
            and a failure.
        orphans: Rows to be seen that no run under its lease committed.
        mixed_up: Rows that tell of another item than their own.
        rewritten: Rows that were committed, and were made anew all the same.
        problems: What else the log says that it should not, in words.
    """

    lost: set[Key] = field(default_factory=set)
    doubled: set[Key] = field(default_factory=set)
    orphans: set[Key] = field(default_factory=set)
    mixed_up: set[Key] = field(default_factory=set)
    rewritten: set[Key] = field(default_factory=set)
    problems: set[str] = field(default_factory=set)

    def __bool__(self) -> bool:
        return any(vars(self).values())

    def add(self, others: Findings) -> None:
        """Take in what another look found."""
        for name, found in vars(others).items():
            getattr(self, name).update(found)


@dataclass
class _Table:
    """What was seen of one table."""

    rows: dict[Key, tuple[str, Any]] = field(default_factory=dict)
    orphan_files: set[str] = field(default_factory=set)
    ended_runs: set[str] = field(default_factory=set)
    versions: int = 0


class Oracle:
    """Looks at one output again and again, each time when no run is at work.

    Args:
        items: Ids of all items.
        tables: The result table of each task, by the task's name.
        belongs: Judges a row's content.
    """

    def __init__(
        self, items: Collection[str], tables: Mapping[str, str], belongs: Belongs
    ) -> None:
        self._items = frozenset(items)
        self._tables = dict(tables)
        self._belongs = belongs
        self._seen: dict[str, _Table] = {}
        self.results = 0
        self.failures = 0
        self.pending = 0

    def look(
        self, output: Mapping[str, Files], acknowledged: Collection[Key], *, done: bool
    ) -> Findings:
        """Check everything.

        Args:
            output: Each table's folder.
            acknowledged: Keys of result rows that a run took for committed.
            done: Whether the last run said that nothing is left to do.
        """
        found = Findings()
        visible: dict[Key, tuple[str, Any]] = {}
        for name in sorted({*self._tables.values(), FAILURES}):
            visible |= self._look_at(name, output.get(name, {}), found)
        found.lost |= {key for key in acknowledged if key[0] != FAILURES} - visible.keys()
        self._count(visible.keys(), found, done=done)
        return found

    def _look_at(self, name: str, files: Files, found: Findings) -> dict[Key, tuple[str, Any]]:
        log = replay(files)
        before = self._seen.get(name, _Table())
        now = _Table(
            orphan_files=data_files(files) - log.ever,
            ended_runs={app for one in log.commits for app in one.marks} - {LEASE_MARK},
            versions=len(log.commits),
        )
        uncommitted = _uncommitted(log, before)
        found.problems.update(f"{name}: {problem}" for problem in log.problems)
        if now.versions < before.versions:
            found.problems.add(f"{name}: the log had {before.versions} entries")
        for path, file in sorted(log.live.items()):
            self._read(name, file, files.get(path), now, found, path in uncommitted)
        found.lost |= (before.rows.keys() - now.rows.keys()) if name != FAILURES else set()
        found.rewritten |= {
            key
            for key in before.rows.keys() & now.rows.keys()
            if name != FAILURES and before.rows[key] != now.rows[key]
        }
        self._seen[name] = now
        return now.rows

    def _read(
        self,
        name: str,
        file: Added,
        content: bytes | None,
        now: _Table,
        found: Findings,
        uncommitted: bool,
    ) -> None:
        if content is None:
            found.problems.add(f"{name}: {file.path} is in the log and not in the folder")
            return
        rows = rows_of(content).to_pylist()
        # A file that is another than the one that was committed shows rows that nobody did.
        changed = len(content) != file.size or file.records not in (None, len(rows))
        for row in rows:
            key = (name, row["item_id"], row["task"])
            if key in now.rows:
                found.doubled.add(key)
            now.rows[key] = (row["run_id"], row.get("created_at"))
            if uncommitted or changed or not self._expected(key):
                found.orphans.add(key)
            elif name != FAILURES and not self._belongs(name, row):
                found.mixed_up.add(key)

    def _expected(self, key: Key) -> bool:
        table, item, task = key
        return item in self._items and table in (self._tables.get(task), FAILURES)

    def _count(self, visible: Collection[Key], found: Findings, *, done: bool) -> None:
        """Put every item and task into one of result, failure and pending.

        Results are committed before failures, so that a run that ends in between may leave
        an item with both until the next one has planned.
        """
        count: Counter[str] = Counter()
        for task, table in self._tables.items():
            for item in self._items:
                states = [name for name in (table, FAILURES) if (name, item, task) in visible]
                count[states[0] if states else "pending"] += 1
                if done and not states:
                    found.lost.add((table, item, task))
                if done and len(states) > 1:
                    found.doubled.add((table, item, task))
        self.failures, self.pending = count[FAILURES], count["pending"]
        self.results = count.total() - self.failures - self.pending


def _uncommitted(log: TableLog, before: _Table) -> set[str]:
    """Files that are live, though no run may have committed them.

    That is so of what lay there when its run had ended, of what is committed in the name of
    a run that had ended or been followed, and of what is in the name of another run.
    """
    wrong: set[str] = set()
    lease = 0
    for commit in log.commits:
        runs = commit.marks.keys() - {LEASE_MARK}
        number = commit.marks.get(LEASE_MARK, lease)
        late = commit.version >= before.versions and bool(runs & before.ended_runs)
        followed, lease = number < lease, max(number, lease)
        for file in commit.added:
            another = not any(run in file.path for run in runs)
            if late or followed or another or file.path in before.orphan_files:
                wrong.add(file.path)
    return wrong
