from __future__ import annotations

from pathlib import Path
from typing import Any

import boto3
import pytest

from infra.demo.catalogue_cli import main
from infra.demo.s3_server import free_port
from infra.demo.upload import upload_folder
from schemas.failure import StorageError, UsageError


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    media = tmp_path / "catalogue" / "media"
    (media / "photos").mkdir(parents=True)
    (media / "photos" / "a.jpg").write_bytes(b"first")
    (media / "b.mp4").write_bytes(b"second")
    return media


def keys(endpoint_url: str, bucket: str) -> list[str]:
    s3 = boto3.client("s3", endpoint_url=endpoint_url)
    return [one["Key"] for one in s3.list_objects_v2(Bucket=bucket).get("Contents", [])]


def test_only_what_the_bucket_lacks_or_has_otherwise_is_uploaded(
    s3_server: Any, s3_bucket: str, folder: Path
) -> None:
    place = {"endpoint_url": s3_server.endpoint_url, "bucket": s3_bucket, "prefix": "in/"}
    assert upload_folder(folder, **place) == 2
    assert keys(s3_server.endpoint_url, s3_bucket) == ["in/b.mp4", "in/photos/a.jpg"]
    assert upload_folder(folder, **place) == 0
    (folder / "b.mp4").write_bytes(b"changed")
    (folder / "c.png").write_bytes(b"new")
    assert upload_folder(folder, **place) == 2


def test_a_bucket_that_is_not_there_is_made(
    s3_server: Any, s3_bucket: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bucket = f"{s3_bucket}-new"
    arguments = ["upload", "--out", str(folder.parent), "--bucket", bucket]
    assert main([*arguments, "--endpoint-url", s3_server.endpoint_url]) == 0
    assert keys(s3_server.endpoint_url, bucket) == [
        "catalogue/b.mp4",
        "catalogue/photos/a.jpg",
    ]
    assert "2 files" in capsys.readouterr().out


def test_an_empty_folder_is_a_usage_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="draw the catalogue first"):
        upload_folder(tmp_path, endpoint_url=None, bucket="bucket")
    arguments = ["upload", "--out", str(tmp_path), "--bucket", "bucket"]
    assert main([*arguments, "--endpoint-url", "http://127.0.0.1:1"]) == 2


def test_a_server_that_is_not_there_is_a_storage_error(
    s3_server: Any, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    endpoint_url = f"http://127.0.0.1:{free_port()}"
    with pytest.raises(StorageError, match="cannot upload to s3://bucket at http"):
        upload_folder(folder, endpoint_url=endpoint_url, bucket="bucket")
