"""Bring a folder into a bucket; what is there already is left alone."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from schemas.failure import StorageError, UsageError


def upload_folder(
    folder: Path, *, endpoint_url: str | None, bucket: str, prefix: str = ""
) -> int:
    """Upload the files of a folder that the bucket lacks or has otherwise.

    The bucket is made if need be. Credentials come from the standard AWS chain.

    Args:
        folder: Its files keep their paths below it.
        endpoint_url: The S3 server; none means AWS itself.
        bucket: Name.
        prefix: Put before every path.

    Returns:
        How many files were uploaded.

    Raises:
        UsageError: If the folder has no files.
        StorageError: If the server refuses or cannot be reached.
    """
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    if not files:
        raise UsageError(f"there is nothing to upload in {folder}; draw the catalogue first")
    client = boto3.client("s3", endpoint_url=endpoint_url)
    try:
        held = _listed(client, bucket, prefix)
        uploaded = 0
        for path in files:
            key = prefix + path.relative_to(folder).as_posix()
            data = path.read_bytes()
            if held.get(key) != hashlib.md5(data, usedforsecurity=False).hexdigest():
                client.put_object(Bucket=bucket, Key=key, Body=data)
                uploaded += 1
    except (BotoCoreError, ClientError) as error:
        place = endpoint_url or "AWS"
        raise StorageError(f"cannot upload to s3://{bucket} at {place}: {error}") from error
    return uploaded


def _listed(client: Any, bucket: str, prefix: str) -> dict[str, str]:
    """Keys and ETags below the prefix; the bucket is made if there is none."""
    names = [one["Name"] for one in client.list_buckets()["Buckets"]]
    if bucket not in names:
        client.create_bucket(Bucket=bucket)
    pages = client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
    return {
        one["Key"]: one["ETag"].strip('"') for page in pages for one in page.get("Contents", [])
    }
