"""Whether a store can be trusted with commits: it must leave alone what it is told to leave."""

from __future__ import annotations

from operators.storage.base import PutResult, Store
from schemas.failure import UsageError


def require_conditional_writes(store: Store, uri: str) -> None:
    """Raise `UsageError` if a store writes over what is there although told not to.

    A lease and a commit are writes of a name that nobody has yet. A store that minds no
    condition, or is behind something that drops it, lets two writers both believe that they
    were first, and one's rows are gone. Costs one request.

    Args:
        store: Serves `uri`.
        uri: An object that is there, of the caller's own: it is lost if the store fails.

    Raises:
        StorageError: If the store stayed unusable.
    """
    if store.put(uri, b"another writer's", if_absent=True) is PutResult.WRITTEN:
        raise UsageError(
            f"{uri} was written over although it was there: the store does not mind "
            "If-None-Match, or something before it drops that header, and two commits at once "
            "would lose rows; update the store or what is before it, or give the job another "
            "output"
        )
