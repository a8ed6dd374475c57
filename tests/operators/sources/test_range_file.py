"""A file over ranges: whatever is read in whatever order is what the object holds."""

from __future__ import annotations

import io
import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from operators.sources import range_file
from operators.sources.range_file import RangeFile, ReadTooLong
from operators.storage import open_store
from schemas.job import StorageSpec


def opened(path) -> RangeFile:
    store = open_store(str(path), StorageSpec())
    return RangeFile(store, store.head(str(path)))


@pytest.fixture(scope="module")
def object_and_bytes(tmp_path_factory):
    path = tmp_path_factory.mktemp("object") / "o.bin"
    path.write_bytes(os.urandom(5000))
    return path, path.read_bytes()


@given(
    moves=st.lists(st.tuples(st.integers(0, 6000), st.integers(0, 3000)), max_size=20),
    first=st.integers(1, 64),
    largest=st.integers(64, 1000),
)
def test_reads_are_those_of_a_plain_file(object_and_bytes, moves, first, largest):
    path, data = object_and_bytes
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(range_file, "FIRST_BLOCK_BYTES", first)
        patch.setattr(range_file, "MAX_BLOCK_BYTES", largest)
        file, plain = opened(path), io.BytesIO(data)
        for place, size in moves:
            assert file.seek(place) == plain.seek(place)
            assert file.read(size) == plain.read(size)
            assert file.read(7) == plain.read(7)
            # A plain file may stand beyond its end too.
            assert file.tell() == plain.tell()


def test_the_end_is_noticed(object_and_bytes):
    file = opened(object_and_bytes[0])
    file.seek(-10, io.SEEK_END)
    assert (len(file.read(10)), file.met_end) == (10, False)
    assert (file.read(1), file.met_end) == (b"", True)


@pytest.mark.parametrize("size", [-1, 1024**2 + 1])
def test_more_at_once_than_a_header_holds_is_refused(object_and_bytes, size):
    with pytest.raises(ReadTooLong):
        opened(object_and_bytes[0]).read(size)


def test_it_stands_nowhere_before_its_beginning(object_and_bytes):
    with pytest.raises(ValueError, match="cannot seek"):
        opened(object_and_bytes[0]).seek(-1)
