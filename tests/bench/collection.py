"""The benchmark's images, drawn once a run and put on a loopback S3 server."""

from __future__ import annotations

from typing import Any

import boto3
from botocore.config import Config

from tests.bench.photographs import PhotoSet, jpegs

BUCKET = "bench"
DISTINCT = 24


def client(endpoint_url: str) -> Any:
    """An S3 client; credentials come from the environment."""
    return boto3.client(
        "s3",
        endpoint_url=endpoint_url,
        region_name="us-east-1",
        config=Config(s3={"addressing_style": "path"}),
    )


def upload_files(s3: Any, photos: PhotoSet, items: int) -> int:
    """Put `items` photographs, all different, below ``<photos.name>/``.

    Returns:
        Bytes of a file, on average.
    """
    total = 0
    for number, data in enumerate(jpegs(photos, items)):
        s3.put_object(Bucket=BUCKET, Key=key(photos, number), Body=data)
        total += len(data)
    return total // items


def upload_copies(s3: Any, photos: PhotoSet, items: int) -> int:
    """Put `DISTINCT` photographs under `items` keys by server-side copies.

    The server's memory then holds each picture once.

    Returns:
        Bytes of a file, on average.
    """
    bytes_per_file = upload_files(s3, photos, DISTINCT)
    for number in range(DISTINCT, items):
        source = {"Bucket": BUCKET, "Key": key(photos, number % DISTINCT)}
        s3.copy_object(Bucket=BUCKET, Key=key(photos, number), CopySource=source)
    return bytes_per_file


def key(photos: PhotoSet, number: int) -> str:
    """The key of one photograph."""
    return f"{photos.name}/{number:05}.jpg"
