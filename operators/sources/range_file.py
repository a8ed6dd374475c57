"""An object in a store as a file that is read in large pieces, from front to back."""

from __future__ import annotations

import io

from operators.storage import ObjectInfo, Store

FIRST_BLOCK_BYTES = 256 * 1024
MAX_BLOCK_BYTES = 8 * 1024**2
MAX_READ_BYTES = 1024**2


class ReadTooLong(ValueError):
    """More was asked for at once than a well-formed file has a reason to hold."""


class RangeFile(io.RawIOBase):
    """A read-only, seekable file over `Store.get_range` that holds one block.

    Blocks double while reading goes on, up to `MAX_BLOCK_BYTES`. A leap over more than that
    costs nothing and begins with a small block again, so large contents that nobody reads
    are not fetched.

    Args:
        store: Where the object is.
        info: The object, of known size; every block must be of this version.
    """

    def __init__(self, store: Store, info: ObjectInfo) -> None:
        super().__init__()
        if info.size is None:
            raise ValueError(f"the size of {info.uri} is not known")
        self.size: int = info.size
        self._store = store
        self._info = info
        self._place = 0
        self._block = b""
        self._block_start = 0
        self._next_bytes = FIRST_BLOCK_BYTES
        self._met_end = False

    @property
    def met_end(self) -> bool:
        """Whether a read has wanted more than the object holds."""
        return self._met_end

    def readable(self) -> bool:
        """It is."""
        return True

    def seekable(self) -> bool:
        """It is."""
        return True

    def tell(self) -> int:
        """The place of the next byte."""
        return self._place

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Go to a place; nothing is read for it."""
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._place, io.SEEK_END: self.size}[whence]
        if base + offset < 0:
            raise ValueError(f"cannot seek to {base + offset} in {self._info.uri}")
        self._place = base + offset
        return self._place

    def read(self, size: int = -1, /) -> bytes:
        """The next `size` bytes; fewer only where the object ends.

        Raises:
            ReadTooLong: If `size` is negative or beyond `MAX_READ_BYTES`.
            ItemFailure: If they cannot be had.
        """
        if not 0 <= size <= MAX_READ_BYTES:
            raise ReadTooLong(f"{size:,} bytes at once from byte {self._place:,} on")
        parts = []
        while size and self._place < self.size:
            part = self._held(size) or self._fetched(size)
            parts.append(part)
            self._place += len(part)
            size -= len(part)
        self._met_end = self._met_end or size > 0
        return b"".join(parts)

    def _held(self, size: int) -> bytes:
        start = self._place - self._block_start
        return self._block[start : start + size] if start >= 0 else b""

    def _fetched(self, size: int) -> bytes:
        gap = self._place - (self._block_start + len(self._block))
        if not 0 <= gap <= MAX_BLOCK_BYTES:
            self._next_bytes = FIRST_BLOCK_BYTES
        length = min(max(self._next_bytes, size), self.size - self._place)
        self._block = self._store.get_range(
            self._info.uri, self._place, length, version=self._info.version
        )
        self._block_start = self._place
        self._next_bytes = min(2 * self._next_bytes, MAX_BLOCK_BYTES)
        return self._held(size)
