"""The benchmark's images, drawn once a run and put on a loopback S3 server."""

from __future__ import annotations

from typing import Any

import boto3
from botocore.config import Config

from tests.bench.photographs import PhotoSet, jpegs, with_comment

BUCKET = "bench"


def client(endpoint_url: str) -> Any:
    """An S3 client; credentials come from the environment."""
    return boto3.client(
        "s3",
        endpoint_url=endpoint_url,
        region_name="us-east-1",
        config=Config(s3={"addressing_style": "path"}),
    )


def upload_files(s3: Any, photos: PhotoSet, items: int) -> int:
    """Put `items` files, each its own, below ``<photos.name>/``.

    Returns:
        Bytes of a file, on average.
    """
    drawn = list(jpegs(photos))
    total = 0
    for number in range(items):
        data = with_comment(drawn[number % len(drawn)], f"photograph {number}")
        s3.put_object(Bucket=BUCKET, Key=key(photos, number), Body=data)
        total += len(data)
    return total // items


def upload_copies(s3: Any, photos: PhotoSet, items: int) -> int:
    """Put the distinct pictures under `items` keys by server-side copies.

    The server's memory then holds each picture once.

    Returns:
        Bytes of a file, on average.
    """
    total = 0
    for number, data in enumerate(jpegs(photos)):
        s3.put_object(Bucket=BUCKET, Key=key(photos, number), Body=data)
        total += len(data)
    for number in range(photos.distinct, items):
        source = {"Bucket": BUCKET, "Key": key(photos, number % photos.distinct)}
        s3.copy_object(Bucket=BUCKET, Key=key(photos, number), CopySource=source)
    return total // photos.distinct


def key(photos: PhotoSet, number: int) -> str:
    """The key of one photograph."""
    return f"{photos.name}/{number:05}.jpg"
