"""Media that are members of a tar archive: how their place is written, and reading them.

``tar:<offset>:<bytes>`` is a member's content. ``tar:damaged:<offset>:<code>:<what>`` stands
for what cannot be read; reading it fails with that code, so that it becomes a failure row.
"""

from __future__ import annotations

from operators.storage import Stores
from operators.storage.base import too_large
from schemas.failure import FailureCode, ItemFailure, Stage
from schemas.item import Medium

TAR = "tar"
MAX_WHAT_CHARS = 500
_DAMAGED = "damaged"
DAMAGED_PREFIX = f"{TAR}:{_DAMAGED}:"
"""How the place of what cannot be read begins."""


def member_place(offset: int, size: int) -> str:
    """Where a member's content is."""
    return f"{TAR}:{offset}:{size}"


def damaged_place(offset: int, code: FailureCode, what: str) -> str:
    """Stands for a part that cannot be read.

    Args:
        offset: Byte of the archive at which it begins.
        code: What the failure row says.
        what: For people, with the remedy.
    """
    # Names of members get into the words; they are long or no Unicode if somebody wants it.
    plain = what[:MAX_WHAT_CHARS].encode("utf-8", "backslashreplace").decode()
    return f"{DAMAGED_PREFIX}{offset}:{code}:{plain}"


def read_member(stores: Stores, medium: Medium, max_bytes: int) -> bytes:
    """The bytes of one member.

    Raises:
        ItemFailure: If they cannot be had.
    """
    place = (medium.inside or "").removeprefix(f"{TAR}:")
    if place.startswith(f"{_DAMAGED}:"):
        _, offset, code, what = place.split(":", 3)
        raise ItemFailure(
            Stage.FETCH, FailureCode(code), f"{medium.uri}, byte {int(offset):,}: {what}"
        )
    offset, _, length = place.partition(":")
    size = int(length)
    if size == 0:
        raise ItemFailure(
            Stage.FETCH,
            FailureCode.EMPTY_FILE,
            f"{medium.uri}: the member at byte {int(offset):,} holds no bytes",
        )
    if size > max_bytes:
        raise too_large(f"{medium.uri} ({medium.inside})", size, max_bytes)
    return stores.of(medium.uri).get_range(
        medium.uri, int(offset), size, version=medium.version
    )
