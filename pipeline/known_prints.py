"""What the fingerprints in an output are made of, so that it can be said what changed.

An object for each at ``<output>/_tagline/fingerprints/<fingerprint>.json``; without one a
fingerprint is as good, but differs from another for an unknown reason.
"""

from __future__ import annotations

import json
from collections.abc import Sequence

from operators.storage import open_store
from pipeline.owed import OwedTask
from schemas.failure import ItemFailure, UsageError
from schemas.job import StorageSpec
from schemas.uris import join_uri


def _folder(output: str) -> str:
    return join_uri(output, "_tagline", "fingerprints")


def note_fingerprints(output: str, storage: StorageSpec, tasks: Sequence[OwedTask]) -> None:
    """Leave the parts of the tasks' fingerprints in the output.

    Raises:
        StorageError: If the store stayed unusable.
    """
    folder = _folder(output)
    store = open_store(folder, storage)
    try:
        known = {info.key.removesuffix(".json") for info in store.list(folder)}
    except UsageError:
        known = set()  # There is no such folder yet.
    for owed in tasks:
        for kind, parts in owed.parts.items():
            print_ = owed.fingerprints[kind]
            if print_ not in known:
                store.put(join_uri(folder, f"{print_}.json"), json.dumps(parts).encode())


def changed_parts(
    output: str, storage: StorageSpec, old: str, now: dict[str, str]
) -> list[str] | None:
    """Which parts of a fingerprint are others now, sorted; None if nobody noted them.

    Args:
        output: Root of the output.
        storage: How its store is reached.
        old: The fingerprint of a row.
        now: Parts of the one that it should have.
    """
    uri = join_uri(_folder(output), f"{old}.json")
    try:
        before = json.loads(open_store(uri, storage).get(uri))
    except (ItemFailure, ValueError):
        return None
    return sorted(
        name for name in before.keys() | now.keys() if before.get(name) != now.get(name)
    )
