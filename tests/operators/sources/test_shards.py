"""Shards: samples in, items out; what is damaged or hostile costs no other item."""

from __future__ import annotations

import gc
import io
import json
import os
import pickle
import tarfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from operators.decode import DecodeOperator
from operators.sources.base import ListedItem
from operators.sources.registry import open_source
from operators.storage import open_store
from operators.storage.local import LocalStore
from schemas.failure import FailureCode, StorageError, UsageError
from schemas.inputs import InputSpec
from schemas.item import DecodedItem, Item, PendingTask
from schemas.item_tables import items_to_plan, table_to_decoded
from schemas.job import MediaSpec, StorageSpec
from schemas.media import MediaKind
from tests.media import pictures

PNG = pictures.encoded(pictures.quadrants(40, 20), "PNG")
LOCAL = StorageSpec()


def packed(members: Sequence[tuple[str, bytes]], form: int = tarfile.PAX_FORMAT) -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w", format=form) as archive:
        for name, data in members:
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            archive.addfile(entry, io.BytesIO(data))
    return file.getvalue()


def source(path: Path | str, columns=(), storage: StorageSpec = LOCAL, **shards):
    spec = InputSpec.model_validate({"shards": {"uris": str(path), **shards}})
    return open_source(spec, storage, columns)


def listed(path: Path, members, columns=(), **shards) -> list[ListedItem]:
    path.write_bytes(members if isinstance(members, bytes) else packed(members))
    return list(source(path, columns, **shards))


def decoded(found: Sequence[ListedItem], storage=LOCAL) -> Mapping[str, DecodedItem]:
    operator = DecodeOperator(storage, MediaSpec(), 10**6, 10**6)
    operator.setup()
    plan = [
        Item(i.item_id, i.kind, i.item_version, i.media, (PendingTask("t", "f"),))
        for i in found
    ]
    table = operator(items_to_plan(plan))
    operator.close()
    return {each.item.item_id: each for each in table_to_decoded(table)}


def keys(found: Sequence[ListedItem], path: Path) -> list[str]:
    return [item.item_id.removeprefix(f"{path}/") for item in found]


def test_a_sample_is_an_item_with_its_texts(tmp_path):
    path = tmp_path / "a.tar"
    members = [
        ("cats/001.jpg", b"J"),
        ("cats/001.json", json.dumps({"title": "tom", "price": 3}).encode()),
        ("cats/001.cls", b"7\n"),
        ("cats/001.txt", "a cät".encode()),
        ("dogs/001.left.png", b"L"),
        ("dogs/001.right.PNG", b"R"),
        ("dogs/002.mp4", b"V"),
        ("dogs/002.jpg", b"its thumbnail"),
    ]
    found = listed(path, members, ["title", "txt", "cls"], carry=["price", "none"])
    assert keys(found, path) == ["cats/001", "dogs/001", "dogs/002"]
    assert [item.kind for item in found] == ["image", "images", "video"]
    assert [len(item.media) for item in found] == [1, 2, 1]
    assert found[0].context == {"title": "tom", "txt": "a cät", "cls": 7}
    assert json.loads(found[0].carried) == {"price": 3, "none": None}
    assert found[1].context == {"title": None, "txt": None, "cls": None}
    assert len({item.item_version for item in found}) == 3


def test_a_field_can_be_the_id_and_extensions_can_be_chosen(tmp_path):
    members = [("1.jpg", b"x"), ("1.mask.png", b"y"), ("1.json", b'{"sku": 12}')]
    (item,) = listed(tmp_path / "a.tar", members, id="sku", media=".JPG")
    assert (item.item_id, item.kind, len(item.media)) == ("12", MediaKind.IMAGE, 1)
    (item,) = listed(tmp_path / "a.tar", members, media=["mask.png"])
    assert len(item.media) == 1
    (item,) = listed(tmp_path / "a.tar", [("1.raw", b"x")], media="raw", kind="video")
    assert item.kind is MediaKind.VIDEO


def test_shown_texts_and_media_change_an_items_version(tmp_path):
    def version(title: bytes, columns=()) -> str:
        path = tmp_path / "a.tar"
        (item,) = listed(path, [("1.png", PNG), ("1.json", b'{"t": "%s"}' % title)], columns)
        return item.item_version

    assert version(b"a", ["t"]) != version(b"b", ["t"])


@pytest.mark.parametrize("place", ["local", "s3"])
def test_members_are_decoded_where_they_lie(place, tmp_path, request):
    drawn = [pictures.encoded(pictures.quadrants(40 + n, 20), "PNG") for n in range(5)]
    members = [(f"{n:03}.png", data) for n, data in enumerate(drawn)]
    members += [("007.jpg", b""), ("008.jpg", b"no picture"), ("009.a.png", PNG)]
    members += [("009.b.png", PNG)]
    storage, root = StorageSpec(), str(tmp_path)
    if place == "s3":
        server, bucket = map(request.getfixturevalue, ("s3_server", "s3_bucket"))
        storage = StorageSpec(endpoint_url=server.endpoint_url, path_style=True, timeout_s=20)
        root = f"s3://{bucket}"
    open_store(root, storage).put(f"{root}/set/00.tar", packed(members))
    found = list(source(f"{root}/set", storage=storage))
    results = [each for _, each in sorted(decoded(found, storage).items())]
    assert [each.frames.shapes[0][1] for each in results[:5]] == [40, 41, 42, 43, 44]
    assert pictures.corners(pixels(results[0])) == list(pictures.QUADRANTS)
    assert [each.failure.code for each in results[5:7]] == ["empty_file", "not_media"]
    assert len(results[7].frames.shapes) == 2


def pixels(result: DecodedItem):
    import numpy as np

    height, width = result.frames.shapes[0]
    return np.frombuffer(result.frames.pixels, np.uint8).reshape(height, width, 3)


@pytest.mark.parametrize("form", [tarfile.PAX_FORMAT, tarfile.GNU_FORMAT])
def test_long_names_are_whole(tmp_path, form):
    path, key = tmp_path / "a.tar", "folder/" + "n" * 300
    found = listed(path, packed([(f"{key}.png", PNG), (f"{key}ö.png", PNG)], form))
    assert keys(found, path) == [key, key + "ö"]
    assert all(each.failure is None for each in decoded(found).values())


def test_hostile_names_are_keys_and_nothing_else(tmp_path):
    folder = tmp_path / "in"
    folder.mkdir()
    names = ["../../x.png", "/etc/passwd.png", "..png", "a/.hidden.png", "none", "\udcff.png"]
    path = folder / "a.tar"
    found = listed(path, packed([(name, PNG) for name in names], tarfile.GNU_FORMAT))
    assert keys(found, path) == ["../../x", "/etc/passwd", "\\udcff"]
    assert all(each.failure is None for each in decoded(found).values())
    assert [p.name for p in tmp_path.rglob("*")] == ["in", "a.tar"]


def test_a_name_longer_than_an_id_may_be_gives_its_place(tmp_path):
    (item,) = listed(tmp_path / "a.tar", [("x" * 9000 + ".png", PNG)])
    assert len(item.item_id) < 4096
    assert decoded([item])[item.item_id].failure is None


class Bomb:
    def __reduce__(self):
        return (Path("unpickled").touch, ())


def test_a_pickle_is_never_loaded(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    members = [("1.png", PNG), ("1.pkl", pickle.dumps(Bomb())), ("1.pyd", b"x")]
    (item,) = listed(tmp_path / "a.tar", members, ["pkl"], carry="pyd")
    assert (len(item.media), item.context["pkl"]) == (1, None)
    assert not Path("unpickled").exists()


def test_links_folders_and_sparse_members_hold_no_media(tmp_path):
    path = tmp_path / "a.tar"
    with tarfile.open(path, "w") as archive:
        for name, kind in [
            ("d.png", tarfile.DIRTYPE),
            ("s.png", tarfile.SYMTYPE),
            ("h.png", tarfile.LNKTYPE),
            ("f.png", tarfile.FIFOTYPE),
        ]:
            entry = tarfile.TarInfo(name)
            entry.type, entry.linkname = kind, "/etc/passwd"
            archive.addfile(entry)
        entry = tarfile.TarInfo("holes.png")
        entry.pax_headers = {"GNU.sparse.map": "0,0", "GNU.sparse.size": "99"}
        archive.addfile(entry)
        entry = tarfile.TarInfo("real.png")
        entry.size = len(PNG)
        archive.addfile(entry, io.BytesIO(PNG))
    shards = source(path)
    assert keys(list(shards), path) == ["real"]
    assert shards.skipped.not_media == 4


WHOLE = packed([(f"{n}.png", PNG) for n in range(4)])
STEP = 512 + (len(PNG) + 511) // 512 * 512


@pytest.mark.parametrize(
    ("data", "whole", "code", "says"),
    [
        (WHOLE[: 2 * STEP + 600], 2, "truncated", "ends within a member"),
        (WHOLE[: 2 * STEP + 100], 2, "truncated", "cut off"),
        (WHOLE[: 2 * STEP], 2, "truncated", "cut off before its end mark"),
        (WHOLE[: 2 * STEP] + b"\xff" * 512 + WHOLE[2 * STEP :], 2, "corrupt", "no tar header"),
        (WHOLE + WHOLE, 4, "corrupt", "--concatenate"),
        (b"", 0, "truncated", "cut off"),
        (b"\x1f\x8b" + bytes(range(256)) * 4, 0, "corrupt", "uncompressed"),
    ],
)
def test_a_damaged_shard_gives_what_precedes_and_one_failure(tmp_path, data, whole, code, says):
    path = tmp_path / "a.tar"
    (tmp_path / "b.tar").write_bytes(packed([("b.png", PNG)]))
    path.write_bytes(data)
    found = list(source(tmp_path))
    assert keys(found[:whole], path) == [str(n) for n in range(whole)]
    assert found[whole].item_id == str(path)
    assert found[whole + 1].item_id == f"{tmp_path}/b.tar/b"
    results = decoded(found)
    broken = results.pop(str(path)).failure
    assert (broken.code, str(path) in broken.message) == (FailureCode(code), True)
    assert says in broken.message
    assert all(each.failure is None for each in results.values())


def header(name: str, kind: bytes, size: bytes) -> bytes:
    entry = tarfile.TarInfo(name)
    entry.type = kind
    block = bytearray(entry.tobuf(tarfile.GNU_FORMAT)[:512])
    block[124:136] = size
    block[148:156] = b" " * 8
    block[148:156] = b"%06o\0 " % sum(block)
    return bytes(block)


@pytest.mark.parametrize(
    "hostile",
    [
        header("1.png", tarfile.REGTYPE, b"\xff" * 11 + b"\x00"),
        header("1.png", tarfile.GNUTYPE_LONGNAME, b"%011o\0" % 2**21) + bytes(2**21),
        header("1.png", tarfile.GNUTYPE_LONGNAME, b"\xff" * 12) + bytes(1024),
        header("1.png", tarfile.GNUTYPE_LONGNAME, b"%011o\0" % 0) * 3000 + bytes(1024),
        header("1.png", tarfile.XHDTYPE, b"%011o\0" % 512) + b"9" * 512 + bytes(1024),
        header("1.png", tarfile.XHDTYPE, b"%011o\0" % 512) + b"12 size=-999\n".ljust(512),
    ],
    ids=["negative", "huge name", "negative name", "nested", "no records", "negative pax"],
)
def test_hostile_headers_end_the_shard_and_not_the_job(tmp_path, hostile):
    path = tmp_path / "a.tar"
    first = packed([("0.png", PNG)])[:STEP]
    # Nested headers go as deep as Python does. What other tests left behind, were it collected
    # down there, would have no room to end in, and pytest would call that this test's failure.
    gc.collect()
    gc.disable()
    try:
        found = listed(path, first + hostile)
    finally:
        gc.enable()
    assert [item.item_id for item in found] == [f"{path}/0", str(path)]
    assert decoded(found)[str(path)].failure.code in ("corrupt", "truncated")


@pytest.mark.parametrize(
    ("text", "code", "says"),
    [
        (b"[1]", "corrupt", "holds list, not an object"),
        (b"{", "corrupt", "is not JSON"),
        (b"[" * 100_000, "corrupt", "is not JSON"),
        (b'{"sku": 1}' + b" " * 2**20, "too_large", "more than the 1,048,576"),
        (b'{"sku": null}', "corrupt", "expected an id"),
        (b'{"sku": ["a"]}', "corrupt", "expected an id"),
        (b"{}", "corrupt", "field 'sku'"),
    ],
)
def test_a_json_that_is_no_object_fails_its_sample_alone(tmp_path, text, code, says):
    path = tmp_path / "a.tar"
    members = [("1.png", PNG), ("1.json", text), ("2.png", PNG), ("2.json", b'{"sku": "b"}')]
    found = listed(path, members, id="sku")
    assert [item.item_id for item in found] == [f"{path}/1", "b"]
    results = decoded(found)
    failure = results[f"{path}/1"].failure
    assert (failure.code, says in failure.message) == (FailureCode(code), True)
    assert results["b"].failure is None


def test_what_json_can_hold_and_the_output_cannot_is_replaced(tmp_path):
    text = b'{"a": NaN, "b": 1e999, "c": "\\ud800", "d": {"e": [1]}}'
    columns = ["a", "b", "c", "d"]
    (item,) = listed(tmp_path / "a.tar", [("1.png", PNG), ("1.json", text)], columns)
    assert item.context == {"a": None, "b": None, "c": "?", "d": {"e": [1]}}


def test_several_media_where_the_kind_takes_one_is_said(tmp_path):
    members = [("1.a.png", PNG), ("1.b.png", PNG), ("2.mp4", b"x"), ("2.mov", b"y")]
    found = listed(tmp_path / "a.tar", members[:2], kind="image")
    found += listed(tmp_path / "b.tar", members[2:])
    odd = [("1.\udcff.png", PNG), (f"1.{'x' * 9000}.png", PNG)]
    found += listed(tmp_path / "c.tar", odd, kind="image")
    results = decoded(found)
    assert len(results) == 3
    for result in results.values():
        assert "2 media" in result.failure.message
        assert result.failure.code is FailureCode.NOT_MEDIA


def test_what_is_no_shard_or_holds_no_media_is_counted(tmp_path):
    (tmp_path / "empty.tar").write_bytes(packed([]))
    (tmp_path / ".hidden.tar").write_bytes(b"x")
    (tmp_path / "readme.md").write_bytes(b"x")
    (tmp_path / "a.tar").write_bytes(packed([("1.txt", b"alone"), ("2.png", PNG)]))
    spec = {"shards": {"uris": [str(tmp_path), str(tmp_path / "a.tar")]}}
    shards = open_source(InputSpec.model_validate(spec), StorageSpec())
    assert keys(list(shards), tmp_path / "a.tar") == ["2"]
    skipped = shards.skipped
    assert (skipped.not_media, skipped.hidden, skipped.repeated) == (2, 1, 1)


@pytest.mark.parametrize("name", ["a.tar.gz", "a.TGZ", "a.tar.zst"])
def test_compressed_shards_are_refused_with_the_remedy(tmp_path, name):
    (tmp_path / name).write_bytes(b"x")
    with pytest.raises(UsageError, match=r"is compressed.*uncompressed \.tar"):
        list(source(tmp_path))


def test_a_shard_whose_name_no_id_can_hold_is_refused(tmp_path):
    (tmp_path / os.fsdecode(b"\xff.tar")).write_bytes(packed([("1.png", PNG)]))
    with pytest.raises(UsageError, match="not valid UTF-8"):
        list(source(tmp_path))


def test_no_shard_at_all_is_an_error(tmp_path):
    (tmp_path / "a.jpg").write_bytes(b"x")
    with pytest.raises(UsageError, match=r"nothing at .* ends in \.tar"):
        list(source(tmp_path))


def test_a_shard_replaced_while_it_is_listed_stops_the_job(tmp_path):
    path = tmp_path / "a.tar"
    path.write_bytes(packed([("1.png", PNG), ("2.png", bytes(2**19)), ("3.png", PNG)]))
    shards = source(path)
    next(shards)
    path.write_bytes(b"something else")
    with pytest.raises(StorageError, match="was replaced"):
        list(shards)


@pytest.fixture
def ranges(monkeypatch) -> list[int]:
    """The sizes of the ranges that are read."""
    sizes: list[int] = []
    original = LocalStore.get_range

    def counting(self, uri, offset, size, *, version=None):
        sizes.append(size)
        return original(self, uri, offset, size, version=version)

    monkeypatch.setattr(LocalStore, "get_range", counting)
    return sizes


def test_many_small_members_take_few_requests(tmp_path, ranges):
    members = [
        (f"{n // 2:06}.{'json' if n % 2 else 'png'}", b'{"n": %d}' % n if n % 2 else PNG)
        for n in range(2000)
    ]
    found = listed(tmp_path / "a.tar", members, ["n"])
    assert [item.context["n"] for item in found] == list(range(1, 2000, 2))
    assert len(ranges) <= 6


def test_large_media_are_leapt_over(tmp_path, ranges):
    path = tmp_path / "a.tar"
    with tarfile.open(path, "w") as archive, open("/dev/zero", "rb") as zeros:
        for n in range(6):
            entry = tarfile.TarInfo(f"{n}.mp4")
            entry.size = 20 * 1024**2
            archive.addfile(entry, zeros)
    assert len(list(source(path))) == 6
    assert sum(ranges) < 3 * 1024**2
