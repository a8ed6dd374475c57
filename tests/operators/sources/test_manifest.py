"""Manifests: rows in, items out; what cannot be an item is refused by name."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from operators.decode import DecodeOperator
from operators.sources.base import ListedItem
from operators.sources.registry import open_source
from schemas.failure import UsageError
from schemas.inputs import InputSpec
from schemas.item import Item, PendingTask
from schemas.item_tables import items_to_plan, table_to_decoded
from schemas.job import MediaSpec, StorageSpec
from schemas.media import MediaKind
from tests.media import pictures


def spec(path: Path, **manifest) -> InputSpec:
    return InputSpec.model_validate({"manifest": {"uris": str(path), **manifest}})


def items(path: Path, columns=(), **manifest) -> list[ListedItem]:
    return list(open_source(spec(path, **manifest), StorageSpec(), columns))


def write(path: Path, rows: list[dict]) -> Path:
    if path.suffix == ".parquet":
        pq.write_table(pa.Table.from_pylist(rows), path, row_group_size=2)
    elif path.suffix == ".csv":
        names = list(rows[0])
        lines = [",".join(names)] + [
            ",".join(f'"{row[n]}"' if row[n] is not None else "" for n in names) for row in rows
        ]
        path.write_text("\n".join(lines) + "\n")
    else:
        path.write_text("\n".join(json.dumps(row) for row in rows) + "\n\n")
    return path


ROWS = [
    {"sku": "a", "photo": "a.jpg", "title": "red mug", "price": 3},
    {"sku": "ü,b", "photo": "/abs/b.mp4", "title": None, "price": 4},
    {"sku": "c", "photo": "s3://other/c.png", "title": 'x "y"'.replace('"', "'"), "price": 5},
]


@pytest.mark.parametrize("suffix", [".parquet", ".csv", ".jsonl", ".ndjson"])
def test_each_kind_of_table_gives_the_same_items(tmp_path, suffix):
    path = write(tmp_path / f"list{suffix}", ROWS)
    found = items(path, ["title"], id="sku", media="photo", base="s3://shop/p", carry=["price"])
    assert [item.item_id for item in found] == ["a", "ü,b", "c"]
    assert [item.media[0].uri for item in found] == [
        "s3://shop/p/a.jpg",
        "/abs/b.mp4",
        "s3://other/c.png",
    ]
    assert [item.kind for item in found] == ["image", "video", "image"]
    assert [item.context["title"] for item in found] == ["red mug", None, "x 'y'"]
    assert [str(json.loads(item.carried)["price"]) for item in found] == ["3", "4", "5"]


def test_a_list_or_several_columns_make_items_of_several_images(tmp_path):
    rows = [{"id": 1, "photos": ["a.jpg", "b.jpg"], "back": None}, {"id": 2, "photos": []}]
    path = write(tmp_path / "list.jsonl", rows)
    found = items(path, media=["photos", "back"])
    assert [item.kind for item in found] == [MediaKind.IMAGES] * 2
    assert [[m.uri for m in item.media] for item in found] == [["a.jpg", "b.jpg"], []]
    assert [item.item_id for item in found] == ["1", "2"]


def test_what_a_prompt_shows_and_the_version_column_change_an_items_version(tmp_path):
    def version(row, columns=(), **more):
        path = write(tmp_path / "list.jsonl", [{"id": 1, "m": "a.jpg", "etag": "x"} | row])
        return items(path, columns, media="m", **more)[0].item_version

    assert version({}) == version({"title": "new"})
    assert version({}, ["title"]) != version({"title": "new"}, ["title"])
    assert version({}) == version({"etag": "y"})
    assert version({}, version="etag") != version({"etag": "y"}, version="etag")
    assert version({}) != version({"m": "b.jpg"})


def test_pictures_may_lie_in_the_table_itself(tmp_path):
    drawn = [pictures.encoded(pictures.quadrants(40 + n, 20), "PNG") for n in range(5)]
    rows = [
        {"id": str(n), "image": {"bytes": data, "path": f"{n}.png"}}
        for n, data in enumerate(drawn)
    ]
    rows.append({"id": "none", "image": None})
    path = write(tmp_path / "list.parquet", rows)
    found = items(path, media="image")
    assert {item.kind for item in found} == {MediaKind.IMAGE}
    decode = DecodeOperator(StorageSpec(), MediaSpec(), 10**6, 10**6)
    decode.setup()
    plan = [
        Item(i.item_id, i.kind, i.item_version, i.media, (PendingTask("t", "f"),))
        for i in found
    ]
    decoded = table_to_decoded(decode(items_to_plan(plan)))
    decode.close()
    assert [d.frames.shapes[0][1] for d in decoded[:5]] == [40, 41, 42, 43, 44]
    assert decoded[5].failure.code == "empty_file"


@pytest.mark.parametrize(
    ("rows", "manifest", "message"),
    [
        ([{"id": "", "m": "a.jpg"}], {}, "row 1 of .* expected an id"),
        ([{"id": "x" * 5000, "m": "a.jpg"}], {}, "expected an id of 1 to 4096 bytes"),
        ([{"id": "a\0b", "m": "a.jpg"}], {}, "none of them zero"),
        ([{"id": "\ud800", "m": "a.jpg"}], {}, "of UTF-8"),
        ([[1, 2]], {}, "line 1 of .* is no JSON object"),
    ],
)
def test_rows_that_are_no_items_are_refused_by_number(tmp_path, rows, manifest, message):
    path = write(tmp_path / "list.jsonl", rows)
    with pytest.raises(UsageError, match=message):
        items(path, media="m", **manifest)


def test_a_column_that_is_not_there_is_named_with_those_that_are(tmp_path):
    path = write(tmp_path / "list.parquet", [{"id": "1", "m": "a.jpg"}])
    with pytest.raises(UsageError, match=r"no column 'titel'; it has id, m"):
        items(path, ["titel"], media="m")


def test_tables_that_are_none_are_refused(tmp_path):
    (tmp_path / "list.parquet").write_bytes(b"nothing of the kind")
    with pytest.raises(UsageError, match="cannot be read"):
        items(tmp_path, media="m")
    (tmp_path / "list.parquet").rename(tmp_path / "list.txt")
    with pytest.raises(UsageError, match=r"nothing at .* ends in \.parquet"):
        items(tmp_path, media="m")


def test_prompts_that_show_columns_need_a_manifest(tmp_path):
    with pytest.raises(UsageError, match="plain files have none"):
        open_source(InputSpec(uris=(str(tmp_path),)), StorageSpec(), ["title"])
