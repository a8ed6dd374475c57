from __future__ import annotations

import json
from datetime import UTC, datetime

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from deltalake import DeltaTable

from pipeline.delta import storage_options
from pipeline.edits import edit_table
from pipeline.output_table import OutputTable
from schemas.failure import UsageError
from schemas.job import StorageSpec
from schemas.uris import join_uri
from tests.pipeline.conftest import draw
from tests.pipeline.rows import bound
from tests.pipeline.test_run import Bench

LOCAL = StorageSpec(timeout_s=20)
SUMMARY = {
    "summary": "s",
    "chapters": [],
    "key_moments": [],
    "key_points": ["k"],
    "questions": [],
    "tags": [],
    "duration_s": 2.5,
}
CATEGORIES = {"mug": {"colour": ["red", "blue"]}, "cup": {"colour": "text"}}
LISTING = {
    "category": "mugs",
    "title": "A mug",
    "description": "Holds tea.",
    "attributes": [{"name": "colour", "value": "red", "image": 1}],
    "tags": ["mug"],
    "conflicts": [],
}


def row(item_id: str, task: str, answer: dict, **changes) -> dict:
    provenance = {
        "uris": [item_id],
        "item_version": "v1",
        "fingerprint": "f1",
        "model": "tiny",
        "run_id": "r",
        "created_at": datetime(2026, 1, 2, tzinfo=UTC),
        "image_tokens": 1,
        "prompt_tokens": 2,
        "output_tokens": 3,
        "finish_reason": "stop",
        "attempt": 1,
    }
    return {"item_id": item_id, "task": task} | answer | provenance | changes


def filled(root: str, task: str, *rows: dict, storage: StorageSpec = LOCAL) -> OutputTable:
    """A table of one kind of answer with rows in it, as a run leaves it."""
    one = bound(task, **({"categories": CATEGORIES} if task == "listing" else {}))
    table = OutputTable(join_uri(root, one.table), one.table_schema(), storage, "run-1")
    table.ensure()
    table.append(pa.Table.from_pylist(list(rows), schema=table.schema))
    return table


def rows_of(root: str, name: str, storage: StorageSpec = LOCAL) -> dict[str, dict]:
    uri = join_uri(root, name)
    table = DeltaTable(uri, storage_options=storage_options(uri, storage))
    return {one["item_id"]: one for one in table.to_pyarrow_table().to_pylist()}


@pytest.fixture
def root(tmp_path) -> str:
    return str(tmp_path / "out")


@pytest.fixture
def edit(tmp_path, root):
    """Write lines to a file and apply it."""

    def apply(
        table: str, *lines: dict, storage: StorageSpec = LOCAL, output: str = root
    ) -> int:
        path = tmp_path / "edits.jsonl"
        path.write_text("".join(json.dumps(line) + "\n" for line in lines))
        return edit_table(output, table, path, storage)

    return apply


def again(table: OutputTable, *rows: dict) -> None:
    """What a later run does: replace rows that the table holds."""
    again_by(table, "run-2", *rows)


def again_by(table: OutputTable, run_id: str, *rows: dict) -> None:
    later = OutputTable(table.uri, table.schema, LOCAL, run_id)
    later.upsert(pa.Table.from_pylist(list(rows), schema=table.schema))


def test_an_edited_title_survives_a_run_with_another_prompt(
    tmp_path, checkpoint, local_ray, edit
):
    bench = Bench(tmp_path, checkpoint)
    for name in ("a.png", "b.png"):
        draw(bench.input / name, len(name))
    item = str(bench.input / "a.png")
    asked = {"task": "listing", "categories": CATEGORIES}
    bench.run(bench.job(tasks=[asked]))
    before = rows_of(str(bench.output), "listings")
    assert edit("listings", {"item_id": item, "title": "By hand"}) == 1
    report = bench.run(bench.job(tasks=[asked | {"prompt": "In verse."}]))
    assert report.rows_by_table == {"listings": 2}
    after = rows_of(str(bench.output), "listings")
    assert (after[item]["title"], after[item]["locked"]) == ("By hand", ["title"])
    assert after[item]["run_id"] == report.run_id
    assert after[item]["description"] != before[item]["description"]
    other = str(bench.input / "b.png")
    assert after[other]["title"] != before[other]["title"]
    assert after[other]["locked"] is None

    assert edit("listings", {"item_id": item, "unlock": ["title"]}) == 1
    assert rows_of(str(bench.output), "listings")[item]["title"] == "By hand"
    bench.run(bench.job(tasks=[asked | {"prompt": "In prose."}]))
    last = rows_of(str(bench.output), "listings")[item]
    assert last["title"] != "By hand"
    assert last["locked"] is None


def test_values_of_every_type_are_set_and_nothing_else_changes(root, edit):
    table = filled(root, "video_summary", row("a", "s", SUMMARY), row("b", "s", SUMMARY))
    before = rows_of(root, "video_summaries")
    chapter = {"start_s": 0, "end_s": 1.5, "frame_pts": [0.5], "title": "T", "text": "x"}
    new = {"chapters": [chapter], "duration_s": None, "key_points": [], "summary": "ß\n"}
    assert edit("video_summaries", {"item_id": "a"} | new) == 1
    after = rows_of(root, "video_summaries")
    assert after["a"] == before["a"] | new | {"locked": list(new)}
    assert after["b"] == before["b"]
    live = DeltaTable(table.uri)
    assert live.to_pyarrow_table().num_rows == 2
    for uri in live.file_uris():
        assert pq.read_schema(uri).equals(table.schema)


def test_an_integer_is_a_float_too_and_a_csv_cell_is_read_as_its_column(root, tmp_path):
    filled(root, "video_summary", row("a", "s", SUMMARY), row("b,c", "s", SUMMARY))
    edits = tmp_path / "edits.CSV"
    edits.write_text(
        '\ufeffitem_id,task,summary,duration_s,unlock\na,s,"two\nlines",,\n"b,c",,,7,summary\n'
    )
    assert edit_table(root, "video_summaries", edits, LOCAL) == 2
    rows = rows_of(root, "video_summaries")
    assert (rows["a"]["summary"], rows["a"]["duration_s"]) == ("two\nlines", 2.5)
    assert (rows["b,c"]["summary"], rows["b,c"]["duration_s"]) == ("s", 7.0)
    assert [rows[item]["locked"] for item in ("a", "b,c")] == [["summary"], ["duration_s"]]


def test_of_two_edits_of_one_row_the_later_wins_and_both_lock(root, edit):
    filled(root, "listing", row("a", "listing", LISTING))
    first = {"item_id": "a", "title": "One", "tags": ["x"]}
    second = {"item_id": "a", "title": "Two", "category": "cups", "unlock": ["tags"]}
    assert edit("listings", first, second) == 1
    one = rows_of(root, "listings")["a"]
    assert (one["title"], one["category"], one["tags"]) == ("Two", "cups", ["x"])
    assert one["locked"] == ["title", "category"]


def test_tasks_of_one_item_are_edited_and_locked_apart(root, edit):
    table = filled(root, "listing", row("a", "x", LISTING), row("a", "y", LISTING))
    with pytest.raises(UsageError, match="line 1: item 'a' has several tasks; add task: x, y"):
        edit("listings", {"item_id": "a", "title": "T"})
    assert edit("listings", {"item_id": "a", "task": "y", "title": "T"}) == 1
    changed = LISTING | {"title": "New"}
    again(table, row("a", "x", changed), row("a", "y", changed))
    rows = DeltaTable(table.uri).to_pyarrow_table().to_pylist()
    assert {one["task"]: one["title"] for one in rows} == {"x": "New", "y": "T"}


def test_locked_names_that_are_no_columns_are_kept_and_ignored(root, edit):
    locked = ["of_another_time", "run_id", "title"]
    table = filled(root, "listing", row("a", "listing", LISTING, locked=locked))
    again(table, row("a", "listing", LISTING | {"title": "New", "tags": []}, run_id="r2"))
    one = rows_of(root, "listings")["a"]
    assert (one["title"], one["tags"], one["run_id"]) == ("A mug", [], "r2")
    assert one["locked"] == locked
    edit("listings", {"item_id": "a", "unlock": ["of_another_time"]})
    assert rows_of(root, "listings")["a"]["locked"] == ["run_id", "title"]


def test_every_problem_is_said_and_nothing_is_written(root, edit):
    filled(root, "video_summary", row("a", "s", SUMMARY))
    before = rows_of(root, "video_summaries")
    lines = [
        {"item_id": "a", "summary": "fine"},
        {"item_id": "gone", "summary": "x"},
        {"item_id": "a", "sumary": "x"},
        {"item_id": "a", "model": "gpt", "locked": []},
        {"item_id": "a", "summary": None},
        {"item_id": "a", "duration_s": "long"},
        {"item_id": "a", "duration_s": 10**400},
        {"item_id": "a", "chapters": [{"start_s": 0}]},
        {"item_id": "a", "key_points": ["x", 3]},
        {"item_id": "a", "task": "t", "summary": "x"},
        {"item_id": "a"},
        {"summary": "x"},
        {"item_id": "a", "summary": "x", "unlock": ["summary"]},
        {"item_id": "a", "unlock": ["nonsense"]},
        {"item_id": "a", "summary": "half \ud800"},
        {"item_id": "\ud800", "summary": "x"},
    ]
    with pytest.raises(UsageError) as caught:
        edit("video_summaries", *lines)
    said = str(caught.value)
    for part in (
        "16 problem(s), nothing was edited",
        "line 2: the table has no row of item 'gone'",
        "line 3: there is no column 'sumary'; columns are: summary, chapters",
        "line 4: model says where the row came from",
        "line 4: locked says where",
        "line 5: summary is null; summary takes string, not null",
        "line 6: duration_s is 'long'; duration_s takes double or null",
        "line 7: duration_s is 1000",
        "line 8: chapters[0].end_s is null; chapters takes list<item: struct<start_s",
        "line 9: key_points[1] is 3; key_points takes list<item: string>",
        "line 10: item 'a' has no row of task 't', but of: s",
        "line 11: it sets no column",
        "line 12: item_id is None",
        "line 13: summary is both set and in unlock",
        "line 14: unlock: there is no column 'nonsense'",
        "line 15: summary is 'half",
        "line 16: item_id is",
    ):
        assert part in said
    assert rows_of(root, "video_summaries") == before


def test_of_many_problems_the_first_are_said(root, edit):
    filled(root, "listing", row("a", "listing", LISTING))
    with pytest.raises(UsageError, match="25 problem") as caught:
        edit("listings", *({"item_id": f"no{n}", "title": "x"} for n in range(25)))
    assert len(str(caught.value).splitlines()) == 22
    assert str(caught.value).endswith("and 5 more")


@pytest.mark.parametrize(
    ("name", "data", "said"),
    [
        ("e.txt", b"", r"ends in \.jsonl, \.ndjson, \.csv"),
        ("e.jsonl", b"\xff", "not UTF-8"),
        ("e.jsonl", b"\n{", "line 2: expected JSON"),
        ("e.jsonl", b"[1]", "line 1: expected a JSON object"),
        ("e.jsonl", b"[" * 100_000, "line 1: expected JSON"),
        ("e.jsonl", b'{"item_id": "a", "title": NaN}', "line 1: NaN is no JSON number"),
        ("e.jsonl", b'{"item_id": "a", "title": "", "title": ""}', "'title' is there twice"),
        ("e.csv", b"", "names each column once"),
        ("e.csv", b"item_id,title,title\n", "names each column once"),
        ("e.csv", b"item_id,title\na\n", "line 2: expected 2 cells"),
        ("e.csv", b'item_id,title\na,"open', "line 2: unexpected end of data"),
        ("e.csv", b"item_id,tags\na,red\n", "line 2: tags is 'red'; tags takes list"),
    ],
)
def test_a_file_that_is_no_list_of_edits_is_refused(root, tmp_path, name, data, said):
    filled(root, "listing", row("a", "listing", LISTING))
    path = tmp_path / name
    path.write_bytes(data)
    with pytest.raises(UsageError, match=said):
        edit_table(root, "listings", path, LOCAL)
    assert DeltaTable(join_uri(root, "listings")).version() == 1


def test_tables_that_cannot_be_edited_are_refused(root, edit, tmp_path):
    line = {"item_id": "a", "title": "x"}
    with pytest.raises(UsageError, match="cannot list"):
        edit("listings", line)
    filled(root, "listing", row("a", "listing", LISTING))
    with pytest.raises(UsageError, match=r"no table titles at .*results there: listings"):
        edit("titles", line)
    with pytest.raises(UsageError, match="Tagline's own"):
        edit("failures", line)
    old = bound("caption").table_schema()
    older = pa.schema([field for field in old if field.name != "locked"])
    OutputTable(join_uri(root, "captions"), older, LOCAL, "r").ensure()
    with pytest.raises(UsageError, match="another version of Tagline"):
        edit("captions", line)


class _Interrupted(OutputTable):
    """A writer that somebody overtakes once, between its read of old rows and its commit."""

    def __init__(self, table: OutputTable, overtake) -> None:
        super().__init__(table.uri, table.schema, LOCAL, "run-2")
        self._overtakes = [overtake]

    def _write(self, rows: pa.Table):
        if self._overtakes:
            self._overtakes.pop()()
        return super()._write(rows)


def test_a_lock_set_between_a_runs_read_and_its_commit_holds(root, edit):
    rows = [row(name, "listing", LISTING) for name in ("a", "b")]
    table = filled(root, "listing", *rows)
    run = _Interrupted(table, lambda: edit("listings", {"item_id": "a", "title": "By hand"}))
    stale = [one | {"title": "New", "tags": []} for one in rows]
    run.upsert(pa.Table.from_pylist(stale, schema=table.schema))
    found = rows_of(root, "listings")
    assert DeltaTable(table.uri).to_pyarrow_table().num_rows == 2
    assert (found["a"]["title"], found["a"]["tags"]) == ("By hand", [])
    assert (found["b"]["title"], found["b"]["locked"]) == ("New", None)


def test_an_edit_that_a_run_overtakes_is_applied_to_the_rows_of_then(root):
    table = filled(root, "listing", row("a", "listing", LISTING))
    run = row("a", "listing", LISTING | {"category": "cups"})
    late = _Interrupted(table, lambda: again_by(table, "run-3", run))

    def by_hand(old: pa.Table) -> pa.Table:
        [one] = old.to_pylist()
        edited = one | {"title": "By hand", "locked": ["title"]}
        return pa.Table.from_pylist([edited], schema=old.schema)

    late.rewrite(pa.table({"item_id": ["a"], "task": ["listing"]}), by_hand)
    one = rows_of(root, "listings")["a"]
    assert (one["title"], one["category"]) == ("By hand", "cups")


def test_a_table_on_s3_is_edited(s3_server, s3_bucket, edit):
    storage = StorageSpec(endpoint_url=s3_server.endpoint_url, timeout_s=20)
    output = f"s3://{s3_bucket}/out"
    filled(output, "listing", row("a", "listing", LISTING), storage=storage)
    line = {"item_id": "a", "title": "By hand"}
    assert edit("listings", line, storage=storage, output=output) == 1
    one = rows_of(output, "listings", storage)["a"]
    assert (one["title"], one["locked"], one["tags"]) == ("By hand", ["title"], ["mug"])
    with pytest.raises(UsageError, match="results there: listings"):
        edit("titles", line, storage=storage, output=output)
