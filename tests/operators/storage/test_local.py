import os

import pytest

from operators.storage.local import LocalStore
from schemas.failure import FailureCode, ItemFailure


def test_links_are_followed_but_not_in_circles(tmp_path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "a.jpg").write_bytes(b"x")
    (tmp_path / "real" / "up").symlink_to(tmp_path)
    (tmp_path / "alias").symlink_to(tmp_path / "real")
    (tmp_path / "broken.jpg").symlink_to(tmp_path / "nowhere")
    keys = [info.key for info in LocalStore().list(str(tmp_path))]
    assert keys == ["alias/a.jpg", "real/a.jpg"]


def test_a_pipe_is_no_object_and_does_not_block(tmp_path) -> None:
    os.mkfifo(tmp_path / "pipe.jpg")
    store = LocalStore()
    assert list(store.list(str(tmp_path))) == []
    with pytest.raises(ItemFailure) as caught:
        store.get(str(tmp_path / "pipe.jpg"))
    assert caught.value.code is FailureCode.MISSING_OBJECT


def test_a_failed_write_leaves_nothing_behind(tmp_path) -> None:
    store = LocalStore()
    target = tmp_path / "folder" / "a.json"
    store.put(str(target), b"1", if_absent=True)
    store.put(str(target), b"2", if_absent=True)
    assert os.listdir(tmp_path / "folder") == ["a.json"]


def test_relative_folders_are_listed_by_absolute_paths(tmp_path, monkeypatch) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.jpg").write_bytes(b"x")
    monkeypatch.chdir(tmp_path)
    (info,) = LocalStore().list("in")
    assert info.uri == str(tmp_path / "in" / "a.jpg")
