from __future__ import annotations

import io
import random
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from operators.storage import ranged
from operators.storage.base import changed
from operators.storage.ranged import BLOCK_BYTES, PIECE_BYTES, RangedFile
from schemas.failure import FailureCode, ItemFailure

DATA = random.Random(7).randbytes(5 * PIECE_BYTES + 1234)


class Remote:
    """An object that notes what is asked of it."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.asked: list[tuple[int, int]] = []
        self.lock = threading.Lock()

    def fetch(self, offset: int, size: int) -> bytes:
        with self.lock:
            self.asked.append((offset, size))
        assert offset + size <= len(self.data)
        return self.data[offset : offset + size]


@pytest.fixture(scope="module")
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(8) as threads:
        yield threads


def opened(remote: Remote, pool: ThreadPoolExecutor, head: int = 0) -> RangedFile:
    return RangedFile(remote.fetch, len(remote.data), pool, remote.data[:head])


ACTIONS = st.one_of(
    st.tuples(st.just("seek"), st.integers(0, len(DATA) + 10)),
    st.tuples(st.just("skip"), st.integers(-70_000, 70_000)),
    st.tuples(st.sampled_from(["read", "read1"]), st.integers(0, 400_000)),
    st.tuples(st.just("expect"), st.integers(0, len(DATA))),
)


@given(st.integers(0, 300_000), st.lists(ACTIONS, max_size=12))
@settings(max_examples=60, deadline=None)
def test_it_reads_as_a_file_does_and_fetches_no_byte_twice(head, actions) -> None:
    remote, plain = Remote(DATA), io.BytesIO(DATA)
    with ThreadPoolExecutor(8) as threads, opened(remote, threads, head) as file:
        for what, value in actions:
            if what == "seek":
                assert file.seek(value) == plain.seek(value)
            elif what == "skip":
                target = max(0, plain.tell() + value)
                assert file.seek(value if target else -file.tell(), io.SEEK_CUR) == target
                plain.seek(target)
            elif what == "expect":
                file.expect([(value, value + 200_000), (value + 300_000, value + 350_000)])
            elif what == "read":
                assert file.read(value) == plain.read(value)
            else:
                data = file.read1(value)
                assert data == plain.read(len(data))
                assert data or not value or plain.tell() >= len(DATA)
    spans = sorted((offset, offset + size) for offset, size in remote.asked)
    assert all(end <= start for (_, end), (start, _) in pairwise(spans))
    assert all(size <= PIECE_BYTES for _, size in remote.asked)
    assert not spans or spans[0][0] >= head


def test_a_small_read_fetches_one_block(pool) -> None:
    remote = Remote(DATA)
    with opened(remote, pool) as file:
        file.seek(PIECE_BYTES)
        assert file.read(10) == DATA[PIECE_BYTES : PIECE_BYTES + 10]
    assert remote.asked == [(PIECE_BYTES, BLOCK_BYTES)]
    assert file.fetched == BLOCK_BYTES


def test_reading_on_and_on_takes_ever_fewer_requests(pool) -> None:
    remote = Remote(DATA)
    with opened(remote, pool) as file:
        assert file.read() == DATA
        assert file.fetched == len(DATA)
    assert file.requests == len(remote.asked) < 14


def test_what_is_expected_is_fetched_once_and_nothing_else(pool) -> None:
    remote = Remote(DATA)
    near = PIECE_BYTES + 1000
    with opened(remote, pool) as file:
        file.expect([(100, 1000), (PIECE_BYTES, near), (near + 500, near + 900)])
        for start, size in ((100, 900), (PIECE_BYTES, 1000), (near + 500, 400)):
            file.seek(start)
            assert file.read(size) == DATA[start : start + size]
    assert sorted(remote.asked) == [(100, 900), (PIECE_BYTES, 1900)]


def test_a_read_that_says_how_much_it_wants_takes_one_request(pool) -> None:
    remote = Remote(DATA)
    with opened(remote, pool) as file:
        file.seek(1000)
        assert file.read(BLOCK_BYTES * 5) == DATA[1000 : 1000 + BLOCK_BYTES * 5]
    assert remote.asked == [(1000, BLOCK_BYTES * 5)]


@pytest.mark.parametrize(
    ("count", "at_most", "is_whole"), [(10, 1.0, False), (10, 0.1, True), (80, 1.0, True)]
)
def test_what_takes_longer_than_all_of_it_is_not_asked_for_by_itself(
    pool, count: int, at_most: float, is_whole: bool
) -> None:
    remote = Remote(DATA)
    step = len(DATA) // count
    ranges = [(number * step, number * step + 1000) for number in range(count)]
    with opened(remote, pool) as file:
        file.expect(ranges, at_most)
        for start, _ in ranges:
            file.seek(start)
            assert file.read(1000) == DATA[start : start + 1000]
    assert len(remote.asked) == (6 if is_whole else count)
    assert (file.fetched == len(DATA)) == is_whole


def test_what_is_read_now_does_not_wait_for_what_is_expected(pool) -> None:
    gate = threading.Event()
    remote = Remote(DATA)

    def fetch(offset: int, size: int) -> bytes:
        if offset < 4 * PIECE_BYTES:
            assert gate.wait(30)
        return remote.fetch(offset, size)

    # As many as may be expected at once must leave room in the pool.
    with (
        ThreadPoolExecutor(ranged.REQUESTS) as threads,
        RangedFile(fetch, len(DATA), threads) as file,
    ):
        file.expect([(number << 17, (number << 17) + 10) for number in range(30)])
        file.seek(5 * PIECE_BYTES)
        assert file.read(4) == DATA[5 * PIECE_BYTES : 5 * PIECE_BYTES + 4]
        gate.set()


def test_a_failure_is_told_where_the_file_is_read_and_ever_after(pool) -> None:
    def fetch(offset: int, size: int) -> bytes:
        raise changed("s3://b/a.mp4", "1", "2")

    with RangedFile(fetch, 1000, pool, b"x" * 10) as file:
        assert file.read(10) == b"x" * 10
        for _ in range(2):
            with pytest.raises(ItemFailure) as told:
                file.read(1)
            assert told.value.code is FailureCode.CHANGED_OBJECT
        assert file.failure is told.value


def test_a_full_disk_is_a_failure_of_the_item(pool, monkeypatch) -> None:
    def full(*_: object) -> int:
        raise OSError(28, "No space left on device")

    with opened(Remote(DATA), pool) as file:
        monkeypatch.setattr(ranged.os, "pwrite", full)
        with pytest.raises(ItemFailure) as told:
            file.read(1)
    assert told.value.code is FailureCode.STORAGE_UNAVAILABLE
    assert "TMPDIR" in told.value.message


def test_closing_does_not_wait_and_leaves_no_file_open(pool) -> None:
    gate, begun = threading.Event(), threading.Event()

    def fetch(offset: int, size: int) -> bytes:
        begun.set()
        assert gate.wait(30)
        return bytes(size)

    file = RangedFile(fetch, 1000, pool)
    spool = file._spool
    file.expect([(0, 10)])
    assert begun.wait(30)
    file.close()
    gate.set()
    pool.submit(lambda: None).result()
    for _ in range(1000):
        if spool.closed:
            break
        threading.Event().wait(0.01)
    assert spool.closed
    with pytest.raises(ValueError, match="closed"):
        file.seek(0) or file.read(1)


def test_an_empty_object_is_an_empty_file(pool) -> None:
    with RangedFile(Remote(b"").fetch, 0, pool) as file:
        assert file.read() == b""
        assert file.seek(0, io.SEEK_END) == 0
