"""Media from web servers, over real sockets: what is read, what is refused, how it ends."""

from __future__ import annotations

import datetime
import gc
import gzip
import os
import socket
import time
from collections.abc import Iterator

import pytest

from operators.storage import Store, Stores
from operators.storage.http import HttpStore
from schemas.failure import FailureCode, UsageError
from schemas.inputs import HttpSpec
from schemas.job import StorageSpec
from tests.fixtures.web import WebServer, body, drip, in_turn, serving, status
from tests.fixtures.web_stores import failure, local, store

DATA = bytes(range(256)) * 1000


@pytest.fixture
def web() -> Iterator[WebServer]:
    with serving() as server:
        yield server


def test_an_object_is_read_whole_in_three_ways(web: WebServer, tmp_path) -> None:
    web.pages["/a.jpg"] = body(DATA, ETag='"v1"')
    reader, uri = local(web), web.url("/a.jpg?width=640")
    assert reader.get(uri, version="v1", max_bytes=len(DATA)) == DATA
    with reader.open(uri) as file:
        assert file.read() == DATA
    with open(tmp_path / "copy", "w+b") as file:
        file.write(b"before")
        assert reader.fetch_to(uri, file) == len(DATA)
        file.seek(0)
        assert file.read() == b"before" + DATA
    assert set(web.seen) == {"GET /a.jpg?width=640"}


def test_head_says_size_and_version(web: WebServer) -> None:
    date = "Mon, 23 Nov 2026 12:00:00 GMT"
    web.pages["/tag.jpg"] = body(DATA, ETag='W/"v1"', Last_Modified=date)
    web.pages["/date.jpg"] = body(DATA, Last_Modified=date)
    web.pages["/bare.mp4"] = body(DATA, Content_Length=None)
    reader = local(web)
    found = [reader.head(web.url(path)) for path in ("/tag.jpg", "/date.jpg", "/bare.mp4")]
    assert [one.version for one in found] == ["v1", date, ""]
    assert [one.size for one in found] == [len(DATA), len(DATA), None]
    assert found[0].key == "tag.jpg"


def test_a_server_without_head_is_asked_by_get(web: WebServer) -> None:
    web.pages["/a.jpg"] = in_turn(status(405), body(DATA))
    assert local(web).head(web.url("/a.jpg")).size == len(DATA)
    assert web.seen == ["HEAD /a.jpg", "GET /a.jpg"]


def test_nothing_is_sent_but_the_question(web: WebServer, monkeypatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    web.pages["/a.jpg"] = body(DATA)
    local(web).get(web.url("/a.jpg"))
    (headers,) = web.headers
    assert set(headers) == {"host", "accept", "accept-encoding", "user-agent"}
    assert headers["accept-encoding"] == "identity"


def test_odd_paths_arrive_encoded_once(web: WebServer) -> None:
    reader = local(web)
    failure(lambda: reader.get(web.url("/ü b%20c.jpg?q=a b#part")))
    assert web.seen == ["GET /%C3%BC%20b%20c.jpg?q=a%20b"]


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        (404, FailureCode.MISSING_OBJECT),
        (410, FailureCode.MISSING_OBJECT),
        (401, FailureCode.ACCESS_DENIED),
        (403, FailureCode.ACCESS_DENIED),
        (400, FailureCode.BAD_ADDRESS),
        (204, FailureCode.BAD_ADDRESS),
        (304, FailureCode.BAD_ADDRESS),
    ],
)
def test_what_cannot_pass_is_asked_once(web: WebServer, code: int, expected) -> None:
    web.pages["/a.jpg"] = status(code)
    assert failure(lambda: local(web).get(web.url("/a.jpg"))).code is expected
    assert len(web.seen) == 1


@pytest.mark.parametrize("code", [429, 500, 503])
def test_what_may_pass_is_asked_again(web: WebServer, code: int) -> None:
    web.pages["/a.jpg"] = in_turn(status(code), status(code), body(DATA))
    assert local(web).get(web.url("/a.jpg")) == DATA
    assert len(web.seen) == 3


def test_retry_after_is_waited_for(web: WebServer) -> None:
    web.pages["/a.jpg"] = in_turn(status(503, Retry_After="1"), body(DATA))
    started = time.monotonic()
    assert local(web).get(web.url("/a.jpg")) == DATA
    assert time.monotonic() - started >= 1


@pytest.mark.parametrize("asked", ["3600", "Fri, 31 Dec 2100 23:59:59 GMT"])
def test_a_longer_wait_than_the_time_left_fails_at_once(web: WebServer, asked: str) -> None:
    web.pages["/a.jpg"] = status(429, Retry_After=asked)
    found = failure(lambda: local(web).get(web.url("/a.jpg")))
    assert found.code is FailureCode.STORAGE_UNAVAILABLE
    assert "HTTP 429" in found.message
    assert len(web.seen) == 1


def test_a_server_that_stays_down_is_given_up_in_time(web: WebServer) -> None:
    web.pages["/a.jpg"] = status(503)
    found = failure(lambda: local(web, timeout_s=0.5).get(web.url("/a.jpg")))
    assert found.code is FailureCode.STORAGE_UNAVAILABLE
    assert "storage.timeout_s" in found.message


def test_nobody_listening_is_storage_unavailable() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    reader = store(f"127.0.0.1:{port}", timeout_s=0.3)
    found = failure(lambda: reader.get(f"http://127.0.0.1:{port}/a.jpg"))
    assert found.code is FailureCode.STORAGE_UNAVAILABLE


def test_a_replaced_object_is_noticed(web: WebServer) -> None:
    web.pages["/a.jpg"] = body(DATA, ETag='"v2"')
    found = failure(lambda: local(web).get(web.url("/a.jpg"), version="v1"))
    assert found.code is FailureCode.CHANGED_OBJECT
    assert "'v2'" in found.message


def chunked(data: bytes) -> bytes:
    return b"%x\r\n%s\r\n0\r\n\r\n" % (len(data), data)


@pytest.mark.parametrize(
    "reply",
    [
        body(DATA),
        body(DATA, Content_Length=None),
        body(chunked(DATA), Content_Length=None, Transfer_Encoding="chunked"),
        body(chunked(DATA), Content_Length="10", Transfer_Encoding="chunked"),
        body(DATA, Content_Length="many"),
    ],
    ids=["announced", "no length", "chunked", "chunked that lies", "no number"],
)
def test_the_limit_holds_whatever_length_is_announced(web: WebServer, reply) -> None:
    # The handler speaks HTTP/1.0 by itself, in which nothing is chunked.
    def modern(handler) -> None:
        handler.protocol_version = "HTTP/1.1"
        handler.close_connection = True
        reply(handler)

    web.pages["/a.jpg"] = modern
    reader = local(web, timeout_s=2)
    found = failure(lambda: reader.get(web.url("/a.jpg"), max_bytes=len(DATA) - 1))
    assert found.code is FailureCode.TOO_LARGE
    assert reader.get(web.url("/a.jpg"), max_bytes=len(DATA)) == DATA


def test_an_endless_body_is_cut_at_the_limit(web: WebServer) -> None:
    def endless(handler) -> None:
        handler.send_response(200)
        handler.end_headers()
        while not web.stopping.is_set():
            handler.wfile.write(DATA)

    web.pages["/a.jpg"] = endless
    found = failure(lambda: local(web).get(web.url("/a.jpg"), max_bytes=10**6))
    assert found.code is FailureCode.TOO_LARGE


def test_a_body_cut_short_is_read_anew(web: WebServer) -> None:
    web.pages["/a.jpg"] = in_turn(body(DATA[:99], Content_Length=str(len(DATA))), body(DATA))
    assert local(web).get(web.url("/a.jpg")) == DATA
    web.pages["/b.jpg"] = body(DATA, Content_Length=str(len(DATA) + 1))
    found = failure(lambda: local(web, timeout_s=0.3).get(web.url("/b.jpg")))
    assert found.code is FailureCode.STORAGE_UNAVAILABLE


HEAD = b"HTTP/1.1 200 OK\r\n"


@pytest.mark.parametrize(
    "reply",
    [
        drip(DATA, 0.05, before=HEAD + b"Content-Length: 256000\r\n\r\n"),
        drip(b"X-A: " + b"a" * 1000, 0.05, before=HEAD),
        drip(b"1\r\na\r\n" * 100, 0.05, before=HEAD + b"Transfer-Encoding: chunked\r\n\r\n"),
        drip(HEAD, 5),
    ],
    ids=["body", "header", "chunks", "silence"],
)
def test_a_slow_drip_ends_at_the_deadline(web: WebServer, reply) -> None:
    web.pages["/a.jpg"] = reply
    started = time.monotonic()
    found = failure(lambda: local(web, timeout_s=0.5).get(web.url("/a.jpg")))
    assert found.code is FailureCode.STORAGE_UNAVAILABLE
    assert time.monotonic() - started < 1.5


@pytest.mark.parametrize("encoding", ["gzip", "br", "GZIP", "identity, gzip"])
def test_a_compressed_body_is_refused_unread(web: WebServer, encoding: str) -> None:
    web.pages["/a.jpg"] = body(gzip.compress(DATA), Content_Encoding=encoding)
    found = failure(lambda: local(web).get(web.url("/a.jpg")))
    assert found.code is FailureCode.FORMAT_NOT_ALLOWED
    assert encoding.lower() in found.message


def test_a_name_that_is_not_there_is_not_asked_for_again() -> None:
    asked: list[str] = []

    def unknown(host: str, *_, **__) -> list[tuple]:
        asked.append(host)
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    found = failure(lambda: store("a.com", resolve=unknown).get("http://a.com/x.jpg"))
    assert found.code is FailureCode.STORAGE_UNAVAILABLE
    assert "check the host's name" in found.message
    assert asked == ["a.com"]


def test_nothing_is_listed_written_or_deleted() -> None:
    reader, uri = store("a.com"), "http://a.com/x"
    for call in (reader.list, reader.delete, lambda uri: reader.put(uri, b"")):
        with pytest.raises(UsageError, match="over HTTP only the media"):
            call(uri)


@pytest.mark.parametrize("uri", ["http://a.com/x", "https://a.com/x", "HTTPS://a.com/x"])
def test_without_hosts_the_remedy_is_named(uri: str) -> None:
    with pytest.raises(UsageError, match=r"hosts: \[cdn.example.com\]"):
        Stores(StorageSpec()).of(uri)
    reader: Store = Stores(StorageSpec(http=HttpSpec(hosts=("a.com",)))).of(uri)
    assert isinstance(reader, HttpStore)


def test_no_socket_stays_open(web: WebServer) -> None:
    web.pages["/a.jpg"] = body(DATA)
    web.pages["/r.jpg"] = status(302, Location="/a.jpg")
    reader = local(web)
    gc.disable()
    try:
        reader.get(web.url("/r.jpg"))
        before = len(os.listdir("/proc/self/fd"))
        for _ in range(20):
            reader.get(web.url("/r.jpg"))
            failure(lambda: reader.get(web.url("/a.jpg"), max_bytes=1))
        time.sleep(0.3)
        assert len(os.listdir("/proc/self/fd")) <= before + 2
    finally:
        gc.enable()


def test_dates_of_retry_after_count_from_now(web: WebServer) -> None:
    soon = datetime.datetime.now(datetime.UTC) + datetime.timedelta(seconds=2)
    header = soon.strftime("%a, %d %b %Y %H:%M:%S GMT")
    web.pages["/a.jpg"] = in_turn(status(503, Retry_After=header), body(DATA))
    started = time.monotonic()
    assert local(web).get(web.url("/a.jpg")) == DATA
    assert time.monotonic() - started > 0.5
