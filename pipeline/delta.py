"""How Delta tables on any store are reached, opened and queried."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping

import pyarrow as pa
from deltalake import DeltaTable, QueryBuilder
from deltalake.exceptions import DeltaError, TableNotFoundError

from operators.storage import open_store
from schemas.failure import StorageError, UsageError
from schemas.job import StorageSpec
from schemas.uris import join_uri

LOG_FOLDER = "_delta_log"
UNSAFE_RENAME = "AWS_S3_ALLOW_UNSAFE_RENAME"
_NO = frozenset({"", "0", "false", "no", "off", "n"})


def refuse_unsafe_environment(environ: Mapping[str, str] = os.environ) -> None:
    """Raise `UsageError` if the environment makes commits overwrite each other."""
    value = environ.get(UNSAFE_RENAME, "").strip()
    # The log's library takes more words for yes than one would list here.
    if value.lower() not in _NO:
        raise UsageError(
            f"{UNSAFE_RENAME} is set to {value!r}: with it two commits at once lose rows "
            "silently; unset it and run again"
        )


def storage_options(uri: str, storage: StorageSpec) -> dict[str, str]:
    """What deltalake needs to reach a URI; empty for local paths.

    Credentials are looked up anew at each call by the standard AWS chain, since those of
    an instance role run out during a long job.
    """
    if not uri.startswith("s3://"):
        return {}
    import boto3

    session = boto3.Session()
    options = {"conditional_put": "etag", "timeout": "60s"}
    region = storage.region or session.region_name or "us-east-1"
    options["region"] = region
    if storage.endpoint_url:
        options["endpoint"] = storage.endpoint_url
        options["allow_http"] = str(storage.endpoint_url.startswith("http://")).lower()
    if storage.endpoint_url or storage.path_style:
        options["virtual_hosted_style_request"] = "false"
    credentials = session.get_credentials()
    if credentials is not None:
        frozen = credentials.get_frozen_credentials()
        options["access_key_id"] = frozen.access_key
        options["secret_access_key"] = frozen.secret_key
        if frozen.token:
            options["session_token"] = frozen.token
    return {f"aws_{name}" if name not in _PLAIN else name: v for name, v in options.items()}


_PLAIN = frozenset({"timeout", "allow_http"})


def open_table(uri: str, storage: StorageSpec) -> DeltaTable | None:
    """Open a table as it is now; None if there is none.

    Raises:
        UsageError: If what is there is no table, or a broken one.
        StorageError: If the store cannot be read.
    """
    try:
        return DeltaTable(uri, storage_options=storage_options(uri, storage))
    except TableNotFoundError:
        return None
    except DeltaError as error:
        raise UsageError(
            f"cannot read the table {uri}: its log is broken, or of a kind that is not known "
            f"here ({on_one_line(error)}); restore {join_uri(uri, LOG_FOLDER)}, or give the "
            "job another output"
        ) from error
    except OSError as error:
        raise StorageError(f"cannot read the table {uri}: {on_one_line(error)}") from error


def tables_below(output: str, storage: StorageSpec) -> list[str]:
    """The names of the tables of an output, sorted, found by its list of objects alone.

    Raises:
        UsageError: If there is no such folder or bucket.
        StorageError: If the store cannot be read.
    """
    parts = (info.key.split("/") for info in open_store(output, storage).list(output))
    return sorted({key[0] for key in parts if len(key) > 2 and key[1] == LOG_FOLDER})


def query(table: DeltaTable, sql: str) -> pa.RecordBatchReader:
    """Stream the result of a query over a table, which is named ``rows`` in it.

    The table is read by deltalake's own engine. Its pyarrow dataset would do too, but
    reads through a Python file system in background threads, and those can abort the
    process when it ends while one of them is still at work.

    Raises:
        StorageError: If the store cannot be read.
    """
    try:
        stream = QueryBuilder().register("rows", table).execute(sql)
        return pa.RecordBatchReader.from_stream(stream)
    except (DeltaError, OSError) as error:
        raise StorageError(f"cannot read {table.table_uri}: {on_one_line(error)}") from error


def on_one_line(error: BaseException) -> str:
    """An error's text on one line, as people read it; its type if it has none."""
    said = _BACKTRACE.split(str(error))[0]
    lines = [_DECORATION.sub("", line).strip() for line in said.splitlines()]
    text = ": ".join(line for line in lines if line)
    return text[:MAX_ERROR_CHARS] or type(error).__name__


_BACKTRACE = re.compile(r"^\s*0: ", re.MULTILINE)
_DECORATION = re.compile(r"\x1b\[[0-9;]*m|↳")
MAX_ERROR_CHARS = 400
