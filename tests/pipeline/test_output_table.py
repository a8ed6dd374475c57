"""Commits to one table whose replies, or whose table, are not to be had for a while."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest
from deltalake import DeltaTable
from deltalake.exceptions import DeltaError

from pipeline.output_table import OutputTable
from schemas.failure import StorageError
from schemas.job import StorageSpec

SCHEMA = pa.schema([("item_id", pa.string()), ("task", pa.string()), ("n", pa.int64())])


def table_at(path: Path, timeout_s: float = 5) -> OutputTable:
    table = OutputTable(str(path), SCHEMA, StorageSpec(timeout_s=timeout_s), "run-1")
    table.ensure()
    return table


def row(item_id: str, n: int = 0) -> pa.Table:
    return pa.table({"item_id": [item_id], "task": ["t"], "n": [n]}, schema=SCHEMA)


def ids(path: Path) -> list[str]:
    return DeltaTable(str(path)).to_pyarrow_table().column("item_id").to_pylist()


class Unreachable:
    """From the first commit on, whose reply is lost, the log cannot be read for a while."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, times: int) -> None:
        self.left, self.commits = times, 0
        self._commit, self._open = DeltaTable.create_write_transaction, DeltaTable.__init__
        monkeypatch.setattr(
            DeltaTable, "create_write_transaction", lambda *a, **k: self._lose(*a, **k)
        )
        monkeypatch.setattr(DeltaTable, "__init__", lambda *a, **k: self._refuse(*a, **k))

    def _lose(self, *arguments: object, **named: object) -> None:
        self._commit(*arguments, **named)
        self.commits += 1
        raise DeltaError("connection reset")

    def _refuse(self, *arguments: object, **named: object) -> None:
        if self.commits and self.left:
            self.left -= 1
            raise DeltaError("503 Slow Down")
        self._open(*arguments, **named)


def test_whether_a_commit_was_applied_is_asked_until_it_is_known(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = table_at(tmp_path)
    store = Unreachable(monkeypatch, times=3)
    table.append(row("a"))
    assert store.left == 0
    assert store.commits == 1
    assert ids(tmp_path) == ["a"]


def test_a_commit_of_which_nothing_can_be_known_is_told_as_that(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = table_at(tmp_path, timeout_s=0.5)
    Unreachable(monkeypatch, times=1000)
    with pytest.raises(StorageError, match=r"not known: .*503 Slow Down.* run the same job"):
        table.append(row("a"))


def test_a_table_whose_creation_got_no_reply_is_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    create = DeltaTable.create

    def lose(*arguments: object, **named: object) -> None:
        create(*arguments, **named)
        raise DeltaError("Protocol changed since last commit")

    monkeypatch.setattr(DeltaTable, "create", lose)
    table = table_at(tmp_path)
    table.append(row("a"))
    assert ids(tmp_path) == ["a"]


def test_a_data_file_that_is_gone_is_told_with_its_place(tmp_path: Path) -> None:
    table = table_at(tmp_path)
    table.append(row("a"))
    [file] = tmp_path.glob("*.parquet")
    file.unlink()
    with pytest.raises(StorageError, match=file.name):
        table.upsert(row("a", 1))
