"""The bodies of S3's replies: whether they come fast enough, and are all of an object."""

from __future__ import annotations

import hashlib
import re
import time
from collections.abc import Callable, Iterator
from typing import Any

from operators.storage.s3_errors import ShortBody

FIRST_PIECE_BYTES = 1 << 14
PIECE_BYTES = 1 << 20
SLOW_AFTER_S = 30.0
SLOWEST_BYTES_PER_S = 1 << 12
"""A connection that after `SLOW_AFTER_S` has brought less is given up for another one."""

LARGE_BYTES = 1 << 23
"""An object of such a size is worth a request that asks for its size."""

_MD5 = re.compile("[0-9a-f]{32}")


def pieces(body: Any) -> Iterator[bytes]:
    """A body piece by piece: small ones first, so that a slow one is found out in time.

    Raises:
        ShortBody: If it comes too slowly; no timeout of the socket's sees that.
    """
    waited, came, size = 0.0, 0, FIRST_PIECE_BYTES
    while True:
        asked = time.monotonic()
        piece = body.read(size)
        waited += time.monotonic() - asked
        if not piece:
            return
        came += len(piece)
        yield piece
        if waited > SLOW_AFTER_S and came < waited * SLOWEST_BYTES_PER_S:
            raise ShortBody(f"only {came:,} bytes came in {waited:.0f} s")
        size = min(2 * size, PIECE_BYTES)


def whole_size(reply: dict[str, Any], offset: int) -> int:
    """Bytes of the object, of which a reply holds what comes after `offset`."""
    total = reply.get("ContentRange", "").rpartition("/")[2]
    return int(total) if total.isdecimal() else offset + int(reply["ContentLength"])


class Wholeness:
    """Finds out whether what was read is all of an object, unspoilt.

    The length that a reply announces tells that nothing was lost after it; what has cut the
    reply on its way (a cache, a gateway) may have set it right. The ETag of most objects is
    the MD5 of their bytes, and tells. But some stores' ETags only look like one: what comes
    twice alike and with the size that the store gives when asked is taken as it is, and the
    bucket's ETags are believed no more.

    Args:
        size_of: Asks the store for the size of an object.
    """

    def __init__(self, size_of: Callable[[str], int]) -> None:
        self._size_of = size_of
        self._other_etags: set[str] = set()

    def reader(self, uri: str) -> BodyCheck:
        """Checks one read, over all its attempts."""
        return BodyCheck(uri, self._size_of, self._other_etags)


class BodyCheck:
    """Takes an object's bytes as they come; see `Wholeness`."""

    def __init__(self, uri: str, size_of: Callable[[str], int], other_etags: set[str]) -> None:
        self._uri = uri
        self._bucket = uri.split("/")[2]
        self._size_of = size_of
        self._other_etags = other_etags
        self._last: bytes | None = None
        self.restart()

    def restart(self) -> None:
        """The object is read from its first byte again."""
        self._md5 = hashlib.md5(usedforsecurity=False)
        self.size = 0

    def take(self, piece: bytes) -> None:
        """The next bytes."""
        self._md5.update(piece)
        self.size += len(piece)

    def require_whole(self, reply: dict[str, Any]) -> None:
        """All has come. Raises `ShortBody` if that is not the object, or not all of it."""
        if not self._has_md5(reply):
            if self.size >= LARGE_BYTES:
                self._require_size()
            return
        came = self._md5.digest()
        if came.hex() == _etag(reply):
            return
        if came != self._last:
            self._last = came
            raise ShortBody(f"the {self.size:,} bytes that came are not those of the ETag")
        self._require_size()
        self._other_etags.add(self._bucket)

    def _has_md5(self, reply: dict[str, Any]) -> bool:
        is_encrypted = (
            reply.get("ServerSideEncryption", "AES256") != "AES256"
            or "SSECustomerAlgorithm" in reply
        )
        return (
            not is_encrypted
            and self._bucket not in self._other_etags
            and _MD5.fullmatch(_etag(reply)) is not None
        )

    def _require_size(self) -> None:
        size = self._size_of(self._uri)
        if size != self.size:
            raise ShortBody(f"{self.size:,} bytes came of an object of {size:,}")


def _etag(reply: dict[str, Any]) -> str:
    return str(reply.get("ETag", "")).strip('"')
