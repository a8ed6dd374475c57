from __future__ import annotations

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from deltalake import DeltaTable

from pipeline.commit import ResultSink, RowOrigin
from pipeline.delta import refuse_unsafe_environment
from pipeline.output_table import OutputTable
from schemas.failure import FailureCode, StorageError, UsageError
from schemas.job import OutputSpec, StorageSpec
from schemas.uris import join_uri
from tests.pipeline.rows import annotated, bound, failed, table

STORAGE = StorageSpec(timeout_s=5)


def make_sink(root: str, run_id: str = "run-1", **output) -> ResultSink:
    sink = ResultSink(
        OutputSpec(uri=root, **output),
        STORAGE,
        [bound("caption"), bound("tags")],
        RowOrigin(run_id, "tiny", None),
    )
    sink.open()
    return sink


def rows_of(root: str, name: str) -> list[dict]:
    return DeltaTable(join_uri(root, name)).to_pyarrow_table().to_pylist()


def test_rows_are_visible_after_the_flush_and_not_before(tmp_path):
    root = str(tmp_path / "out")
    sink = make_sink(root)
    sink.add(table(annotated("a"), annotated("b")))
    assert rows_of(root, "captions") == []
    sink.flush()
    rows = rows_of(root, "captions")
    assert {row["item_id"]: row["caption"] for row in rows} == {
        "a": "caption of a",
        "b": "caption of b",
    }
    assert {row["run_id"] for row in rows} == {"run-1"}
    assert rows[0]["model"] == "tiny"


def test_commits_come_by_number_of_rows_and_by_time(tmp_path):
    root = str(tmp_path / "out")
    sink = make_sink(root, commit_every_rows=3)
    sink.add(table(annotated("a"), annotated("b")))
    assert rows_of(root, "captions") == []
    sink.add(table(annotated("c")))
    assert len(rows_of(root, "captions")) == 3

    now = [0.0]
    by_time = ResultSink(
        OutputSpec(uri=root, commit_every_s=60),
        STORAGE,
        [bound("caption")],
        RowOrigin("run-2", "tiny", None),
        clock=lambda: now[0],
    )
    by_time.add(table(annotated("d")))
    assert len(rows_of(root, "captions")) == 3
    now[0] = 61.0
    assert by_time.flush_if_due()
    assert len(rows_of(root, "captions")) == 4


def test_a_changed_item_replaces_its_row_in_one_commit(tmp_path):
    root = str(tmp_path / "out")
    first = make_sink(root)
    first.add(table(annotated("a"), annotated("b")))
    first.flush()
    version = DeltaTable(join_uri(root, "captions")).version()

    second = make_sink(root, "run-2")
    second.add(table(annotated("a", item_version="v2", replaces=True), annotated("c")))
    second.flush()
    assert DeltaTable(join_uri(root, "captions")).version() == version + 1
    rows = {row["item_id"]: row["item_version"] for row in rows_of(root, "captions")}
    assert rows == {"a": "v2", "b": "v1", "c": "v1"}


def test_a_failure_row_says_everything_and_goes_when_the_item_succeeds(tmp_path):
    root = str(tmp_path / "out")
    first = make_sink(root)
    first.add(table(failed("a", FailureCode.STORAGE_UNAVAILABLE), annotated("b")))
    first.flush()
    [row] = rows_of(root, "failures")
    assert (row["item_id"], row["task"], row["stage"], row["code"]) == (
        "a",
        "caption",
        "fetch",
        "storage_unavailable",
    )
    assert row["retryable"]
    assert row["attempts"] == 1

    again = make_sink(root, "run-2")
    again.add(
        table(failed("a", FailureCode.STORAGE_UNAVAILABLE, attempt=2, failed_before=True))
    )
    again.flush()
    [row] = rows_of(root, "failures")
    assert row["attempts"] == 2

    good = make_sink(root, "run-3")
    good.add(table(annotated("a", attempt=3, failed_before=True)))
    good.flush()
    assert rows_of(root, "failures") == []
    assert {row["item_id"] for row in rows_of(root, "captions")} == {"a", "b"}


def test_a_vacuumed_table_reads_the_same_as_plain_parquet(tmp_path):
    root = str(tmp_path / "out")
    sink = make_sink(root)
    for name in "abc":
        sink.add(table(annotated(name)))
        sink.flush()
    sink.add(table(annotated("a", item_version="v2", replaces=True)))
    sink.flush()
    uri = join_uri(root, "captions")
    gone = DeltaTable(uri).vacuum(
        retention_hours=0, enforce_retention_duration=False, dry_run=False
    )
    assert gone
    plain = pq.read_table(uri)
    assert plain.schema.equals(bound("caption").table_schema())
    key = [("item_id", "ascending")]
    assert plain.sort_by(key).to_pylist() == (
        DeltaTable(uri).to_pyarrow_table().sort_by(key).to_pylist()
    )


def test_a_commit_whose_reply_was_lost_is_not_applied_twice(tmp_path, monkeypatch):
    """The write lands, the caller sees an error; the retry must see its own commit."""
    real, calls = DeltaTable.create_write_transaction, []

    def applied_but_unacknowledged(*args, **kwargs):
        calls.append(1)
        real(*args, **kwargs)
        raise OSError("connection reset")

    root = str(tmp_path / "out")
    sink = make_sink(root)
    sink.add(table(annotated("a")))
    monkeypatch.setattr(DeltaTable, "create_write_transaction", applied_but_unacknowledged)
    sink.flush()
    assert len(calls) == 1
    assert [row["item_id"] for row in rows_of(root, "captions")] == ["a"]


def test_a_foreign_table_at_the_output_is_refused(tmp_path):
    from deltalake import write_deltalake

    root = str(tmp_path / "out")
    write_deltalake(join_uri(root, "captions"), pa.table({"x": [1]}))
    with pytest.raises(UsageError, match="another output"):
        make_sink(root)


def test_an_unreachable_store_ends_in_a_storage_error(tmp_path):
    spec = StorageSpec(endpoint_url="http://127.0.0.1:9", timeout_s=1)
    sink = OutputTable("s3://nowhere/t", bound("caption").table_schema(), spec, "r")
    with pytest.raises((StorageError, UsageError), match="s3://nowhere/t"):
        sink.append(pa.Table.from_pylist([], schema=bound("caption").table_schema()))


@pytest.mark.parametrize("value", ["true", "1", "yes", "ON", "y", "TRUE "])
def test_unsafe_rename_is_refused(value):
    with pytest.raises(UsageError, match="AWS_S3_ALLOW_UNSAFE_RENAME"):
        refuse_unsafe_environment({"AWS_S3_ALLOW_UNSAFE_RENAME": value})


def test_unsafe_rename_that_is_not_there_or_off_is_no_matter():
    refuse_unsafe_environment({})
    for value in ("", "false", "0", "off"):
        refuse_unsafe_environment({"AWS_S3_ALLOW_UNSAFE_RENAME": value})


def test_a_failure_keeps_the_time_at_which_its_item_failed_first(tmp_path):
    root = str(tmp_path / "out")
    first = make_sink(root)
    first.add(table(failed("a", FailureCode.UNPARSABLE), failed("b", FailureCode.UNPARSABLE)))
    first.flush()
    before = {row["item_id"]: row for row in rows_of(root, "failures")}
    assert before["a"]["first_failed_at"] == before["a"]["failed_at"]

    again = make_sink(root, "run-2")
    tried = {"failed_before": True, "attempt": 2}
    again.add(
        table(
            failed("a", FailureCode.STORAGE_UNAVAILABLE, **tried),
            failed("b", FailureCode.UNPARSABLE, **tried, item_version="v2"),
        )
    )
    again.flush()
    after = {row["item_id"]: row for row in rows_of(root, "failures")}
    assert after["a"]["first_failed_at"] == before["a"]["failed_at"] < after["a"]["failed_at"]
    assert after["a"]["code"] == "storage_unavailable"
    # Another version of its file has not failed before.
    assert after["b"]["first_failed_at"] == after["b"]["failed_at"]
