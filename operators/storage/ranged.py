"""A remote object as a seekable file, of which no more is fetched than is read."""

from __future__ import annotations

import io
import os
import tempfile
import threading
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Executor
from typing import Any, BinaryIO

from operators.storage.base import spool_failure
from operators.storage.spans import Spans, merged

Fetch = Callable[[int, int], bytes]
"""Reads so many bytes from an offset on; raises `ItemFailure`."""

HEAD_BYTES = 1 << 18
"""The first bytes, with which a store opens a file."""

BLOCK_BYTES = 1 << 16
"""The least that is fetched where nobody said what will be read."""

PIECE_BYTES = 1 << 21
"""The most of one request."""

MOST_AHEAD = 1 << 23
"""The most that is fetched ahead of one who reads on and on."""

GAP_BYTES = 1 << 16
"""Between two ranges that will be read, so many bytes cost less than another request."""

REQUESTS = 32
"""At once, of all files of a store."""

IN_FLIGHT = 16
"""Requests of a file for what will be read; what is read now does not wait behind them."""

REQUEST_BYTES = 3 << 16
"""What a connection that waits for a reply could have brought meanwhile.

At 30 ms, and 100 MB/s over all those that are under way; a store that is farther away takes
longer for both.
"""


class RangedFile(io.BufferedIOBase, BinaryIO):
    """One object, fetched in ranges as it is read, and ahead of that.

    What came lies in a temporary file: memory holds the requests under way only, and no byte
    is fetched twice, so that never more than the object comes over the network. Who reads on
    and on gets ever more ahead. Who says by `expect` what will be read gets just that, with
    many requests at once. To be read by one thread.

    Args:
        fetch: Reads a range, in any thread; must fail if the object was replaced since it was
            opened.
        size: Of the object, bytes.
        pool: Where requests run; many files share it.
        head: The first bytes, if they are there already.

    Attributes:
        size: See above.
        fetched: Bytes that came so far.
        requests: How many were made.
        failure: What a request failed with. Libraries that read may pass over it.
    """

    def __init__(self, fetch: Fetch, size: int, pool: Executor, head: bytes = b"") -> None:
        self.size, self.fetched, self.requests = size, len(head), 0
        self.failure: Exception | None = None
        self._fetch, self._pool = fetch, pool
        self._spool = tempfile.TemporaryFile(prefix="tagline-")  # noqa: SIM115 - see `close`
        self._changed = threading.Condition()
        self._there, self._asked = Spans(), Spans()
        self._in_flight = 0
        self._expected: deque[tuple[int, int]] = deque()
        self._position = 0
        # Bytes asked for because nobody had said that they will be read, since the last leap.
        self._unforeseen = 0
        if head:
            self._keep(0, head)
            self._asked.add(0, len(head))

    def expect(self, ranges: Iterable[tuple[int, int]], at_most: float = 1.0) -> None:
        """Fetch ranges (start, end) from now on, for they will be read.

        Args:
            ranges: Offsets of their first bytes and of those after the last.
            at_most: If they take longer than this part of the time that all the rest of the
                object takes, that is fetched instead.
        """
        wanted = [(max(0, start), min(end, self.size)) for start, end in ranges]
        with self._changed:
            pieces = self._lacking(merged(wanted, GAP_BYTES))
            whole = self._lacking([(0, self.size)])
            is_worth_it = _cost(pieces) <= at_most * _cost(whole)
            self._expected.extend(pieces if is_worth_it else whole)
            self._ask_for_expected()

    def _lacking(self, spans: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
        """What of them was not asked for yet, in pieces of one request each."""
        gaps = (gap for span in spans for gap in self._asked.gaps(*span))
        return [piece for gap in gaps for piece in _pieces(*gap)]

    def readable(self) -> bool:
        """See `io.IOBase`."""
        return True

    def seekable(self) -> bool:
        """See `io.IOBase`."""
        return True

    def tell(self) -> int:
        """See `io.IOBase`."""
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """See `io.IOBase`."""
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self.size}[whence]
        target = max(0, base + offset)
        # Who leaps over what belongs to another track still reads on and on.
        if not 0 <= target - self._position <= BLOCK_BYTES:
            self._unforeseen = 0
        self._position = target
        return target

    def read(self, size: int | None = -1, /) -> bytes:
        """Read so many bytes, or up to the end. Raises `ItemFailure`."""
        end = self.size if size is None or size < 0 else self._position + size
        parts = []
        while self._position < end and (part := self.read1(end - self._position)):
            parts.append(part)
        return b"".join(parts)

    def read1(self, size: int = -1, /) -> bytes:
        """Read what is there of so many bytes: at least one, unless at the end.

        Raises:
            ItemFailure: If it cannot be fetched.
            ValueError: If the file is closed.
        """
        if self.closed:
            raise ValueError("the file is closed")
        end = self.size if size < 0 else min(self._position + size, self.size)
        if self._position >= end:
            return b""
        end = min(end, self._bring(self._position, end - self._position))
        data = os.pread(self._spool.fileno(), end - self._position, self._position)
        self._position += len(data)
        return data

    def readinto(self, buffer: Any, /) -> int:
        """See `io.BufferedIOBase`."""
        view = memoryview(buffer).cast("B")
        data = self.read(len(view))
        view[: len(data)] = data
        return len(data)

    def close(self) -> None:
        """Let go of what came. Requests under way end by themselves."""
        with self._changed:
            if self.closed:
                return
            super().close()
            self._expected.clear()
            if not self._in_flight:
                self._spool.close()

    def _bring(self, position: int, wanted: int) -> int:
        """Wait for the byte at a position, of so many that are wanted from there on.

        Answers where what is there from it on ends.
        """
        with self._changed:
            known = self._asked.end_at(position)
            is_streaming = self._unforeseen >= PIECE_BYTES and not self._expected
            if known == position or (is_streaming and known - position < self._ahead() // 2):
                end = position + max(self._ahead(), min(wanted, PIECE_BYTES))
                self._unforeseen += end - known
                for piece in _pieces(position, end):
                    self._ask(*piece)
            while (end := self._there.end_at(position)) == position:
                if self.failure is not None:
                    raise self.failure
                self._changed.wait()
            return end

    def _ahead(self) -> int:
        return min(max(2 * self._unforeseen, BLOCK_BYTES), MOST_AHEAD)

    def _ask(self, start: int, end: int) -> None:
        """Ask for what of a range was not asked for yet."""
        for gap in self._asked.gaps(start, min(end, self.size)):
            self._asked.add(*gap)
            self._in_flight += 1
            self.requests += 1
            self._pool.submit(self._load, *gap)

    def _ask_for_expected(self) -> None:
        while self._expected and self._in_flight < IN_FLIGHT and self.failure is None:
            self._ask(*self._expected.popleft())

    def _load(self, start: int, end: int) -> None:
        data, failure = b"", None
        try:
            if not self.closed:
                data = self._fetch(start, end - start)
        except Exception as error:  # noqa: BLE001 - raised where the file is read
            failure = error
        with self._changed:
            self._in_flight -= 1
            if self.closed:
                if not self._in_flight:
                    self._spool.close()
                return
            self.failure = self.failure or failure or self._try_to_keep(start, data)
            self._ask_for_expected()
            self._changed.notify_all()

    def _try_to_keep(self, start: int, data: bytes) -> Exception | None:
        try:
            self._keep(start, data)
        except OSError as error:
            return spool_failure("what was read", error)
        self.fetched += len(data)
        return None

    def _keep(self, start: int, data: bytes) -> None:
        with memoryview(data) as view:
            done = 0
            while done < len(data):
                done += os.pwrite(self._spool.fileno(), view[done:], start + done)
        self._there.add(start, start + len(data))


def _pieces(start: int, end: int) -> list[tuple[int, int]]:
    return [(at, min(at + PIECE_BYTES, end)) for at in range(start, end, PIECE_BYTES)]


def _cost(pieces: Sequence[tuple[int, int]]) -> int:
    """How long they take, in bytes that come meanwhile."""
    return sum(end - start + REQUEST_BYTES for start, end in pieces)
