"""What a Delta table holds, found without deltalake: the log's JSON and the Parquet files."""

from __future__ import annotations

import io
import json
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import boto3
import pyarrow.parquet as pq


@dataclass
class Found:
    """A table as its log and files say.

    Attributes:
        versions: Numbers of the log's entries, in order.
        rows: How often each ``item_id`` is there.
        values: The last value read of each ``item_id``.
        marks: How often each (application, version) has been committed.
    """

    versions: list[int] = field(default_factory=list)
    rows: Counter[str] = field(default_factory=Counter)
    values: dict[str, Any] = field(default_factory=dict)
    marks: Counter[tuple[str, int]] = field(default_factory=Counter)

    @property
    def has_gaps(self) -> bool:
        return self.versions != list(range(len(self.versions)))


def read_table(client: Any, bucket: str, prefix: str, value: str) -> Found:
    """Read all log entries from the first one on, and then the files that are left.

    Args:
        client: Of boto3, to the server itself.
        bucket: Where the table is.
        prefix: Its key, without a slash at the end.
        value: The column of `Found.values`.
    """
    found = Found()
    live: set[str] = set()
    for key in _keys(client, bucket, f"{prefix}/_delta_log/"):
        name = key.rpartition("/")[2]
        if not name.endswith(".json"):
            continue
        found.versions.append(int(name.removesuffix(".json")))
        for line in _body(client, bucket, key).splitlines():
            _apply(json.loads(line), live, found)
    for path in sorted(live):
        table = pq.read_table(io.BytesIO(_body(client, bucket, f"{prefix}/{path}")))
        for row in table.select(["item_id", value]).to_pylist():
            found.rows[row["item_id"]] += 1
            found.values[row["item_id"]] = row[value]
    return found


def _apply(action: dict[str, Any], live: set[str], found: Found) -> None:
    if "add" in action:
        live.add(action["add"]["path"])
    elif "remove" in action:
        live.remove(action["remove"]["path"])
    elif "txn" in action:
        found.marks[(action["txn"]["appId"], action["txn"]["version"])] += 1


def _keys(client: Any, bucket: str, prefix: str) -> list[str]:
    pages = client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
    return sorted(entry["Key"] for page in pages for entry in page.get("Contents", []))


def _body(client: Any, bucket: str, key: str) -> bytes:
    body: bytes = client.get_object(Bucket=bucket, Key=key)["Body"].read()
    return body


def s3_client(endpoint_url: str) -> Any:
    """A client with nothing of Tagline's in it."""
    connect: Callable[..., Any] = boto3.client
    return connect("s3", endpoint_url=endpoint_url, region_name="us-east-1")
