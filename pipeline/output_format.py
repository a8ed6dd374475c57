"""Which version of Tagline's tables an output holds.

An object at ``<output>/_tagline/format.json`` says so. An output without one is older than it,
or new.
"""

from __future__ import annotations

import json
from typing import Any

from operators.storage import open_store
from pipeline.version import own_version
from schemas.failure import FailureCode, ItemFailure, StorageError, UsageError
from schemas.job import StorageSpec
from schemas.tables import SCHEMA_VERSION
from schemas.uris import join_uri


def require_known_format(output: str, storage: StorageSpec) -> None:
    """Raise `UsageError` if an output was written by a later Tagline than this one.

    Args:
        output: Root of the output.
        storage: How its store is reached.

    Raises:
        StorageError: If the store cannot be read.
    """
    noted = _noted(output, storage)
    version = noted.get("schema_version", 0)
    if version > SCHEMA_VERSION:
        raise UsageError(
            f"the tables at {output} have schema version {version}, written by Tagline "
            f"{noted.get('tagline_version', 'of a later version')}; this is Tagline "
            f"{own_version()}, which knows versions up to {SCHEMA_VERSION}: update it, or give "
            "the job another output"
        )


def note_format(output: str, storage: StorageSpec) -> None:
    """Leave this version's mark, once its tables are there.

    Raises:
        StorageError: If the store stayed unusable.
    """
    mark = {"schema_version": SCHEMA_VERSION, "tagline_version": own_version()}
    if _noted(output, storage) != mark:
        uri = _place(output)
        open_store(uri, storage).put(uri, json.dumps(mark).encode())


def _place(output: str) -> str:
    return join_uri(output, "_tagline", "format.json")


def _noted(output: str, storage: StorageSpec) -> dict[str, Any]:
    uri = _place(output)
    try:
        noted = json.loads(open_store(uri, storage).get(uri))
        if not isinstance(noted.get("schema_version"), int):
            raise TypeError("no schema_version")
    except ItemFailure as failure:
        if failure.code is FailureCode.MISSING_OBJECT:
            return {}
        raise StorageError(failure.message) from failure
    except (ValueError, TypeError, AttributeError) as error:
        raise UsageError(
            f"{uri} does not say which version of Tagline wrote the tables there ({error}); "
            "restore it, or give the job another output"
        ) from error
    return dict(noted)
