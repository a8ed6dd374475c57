"""A manifest of addresses on a web server, decoded."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from operators.decode import DecodeOperator
from operators.sources.registry import open_source
from schemas.failure import FailureCode
from schemas.inputs import HttpSpec, InputSpec
from schemas.item import DecodedItem, Item, PendingTask
from schemas.item_tables import items_to_plan, table_to_decoded
from schemas.job import MediaSpec, StorageSpec, VideoSampling
from schemas.media import MediaKind
from tests.fixtures.web import WebServer, body, serving, status
from tests.media import clips, pictures

JPEG = pictures.encoded(pictures.quadrants(), "JPEG")
H264 = clips.make(clips.CLIPS["h264"])


def decoded(
    folder: Path, photos: dict[str, str], *, base: str | None = None, http: HttpSpec | None
) -> dict[str, DecodedItem]:
    path = folder / "list.jsonl"
    rows = ({"id": name, "photo": uri} for name, uri in photos.items())
    path.write_text("\n".join(json.dumps(row) for row in rows))
    manifest = {"uris": str(path), "media": "photo", "base": base}
    storage = StorageSpec(http=http, timeout_s=5)
    listed = open_source(InputSpec.model_validate({"manifest": manifest}), storage, ())
    tasks = (PendingTask("caption", "f" * 32),)
    items = [Item(i.item_id, i.kind, i.item_version, i.media, tasks) for i in listed]
    media = MediaSpec(video=VideoSampling(max_frames=4), max_file_bytes=10**6)
    operator = DecodeOperator(storage, media, 10**6, 10**6)
    operator.setup()
    try:
        return {
            one.item.item_id: one for one in table_to_decoded(operator(items_to_plan(items)))
        }
    finally:
        operator.close()


def allowed(web: WebServer) -> HttpSpec:
    return HttpSpec(hosts=(f"127.0.0.1:{web.port}",), private_networks=("127.0.0.1/32",))


@pytest.fixture
def web():
    with serving() as server:
        server.pages["/p/a.jpg"] = body(JPEG)
        server.pages["/p/a.mp4"] = body(H264, Content_Length=None)
        server.pages["/p/large.mp4"] = body(bytes(10**6 + 1), Content_Length=None)
        server.pages["/p/down.jpg"] = status(403)
        yield server


def test_images_and_videos_come_from_the_web(web: WebServer, tmp_path) -> None:
    photos = {"image": web.url("/p/a.jpg"), "video": web.url("/p/a.mp4?width=640")}
    found = decoded(
        tmp_path, photos | {"relative": "a.jpg"}, base=web.url("/p/"), http=allowed(web)
    )
    assert [one.failure for one in found.values()] == [None] * 3
    assert found["video"].item.kind is MediaKind.VIDEO
    assert found["video"].frames is not None
    assert len(found["video"].frames.shapes) == 4
    assert found["image"].frames == found["relative"].frames
    assert all(asked.startswith("GET") for asked in web.seen)


def test_each_bad_address_fails_alone(web: WebServer, tmp_path) -> None:
    photos = {
        "good": web.url("/p/a.jpg"),
        "gone": web.url("/p/none.jpg"),
        "denied": web.url("/p/down.jpg"),
        "large": web.url("/p/large.mp4"),
        "elsewhere": "https://evil.example/a.jpg",
        "odd": "http://2130706433/a.jpg",
    }
    found = decoded(tmp_path, photos, http=allowed(web))
    assert {name: one.failure and one.failure.code for name, one in found.items()} == {
        "good": None,
        "gone": FailureCode.MISSING_OBJECT,
        "denied": FailureCode.ACCESS_DENIED,
        "large": FailureCode.TOO_LARGE,
        "elsewhere": FailureCode.BAD_ADDRESS,
        "odd": FailureCode.BAD_ADDRESS,
    }


def test_without_hosts_the_web_is_off(web: WebServer, tmp_path) -> None:
    found = decoded(tmp_path, {"a": web.url("/p/a.jpg")}, http=None)
    assert found["a"].failure is not None
    assert found["a"].failure.code is FailureCode.BAD_ADDRESS
    assert "storage: {http: {hosts:" in found["a"].failure.message
    assert web.seen == []
