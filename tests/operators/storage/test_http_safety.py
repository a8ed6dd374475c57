"""Where a web address may not lead: to hosts not listed, to addresses not public."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from schemas.failure import FailureCode
from tests.fixtures.web import WebServer, body, serving, status
from tests.fixtures.web_stores import answer, failure, local, store

DATA = bytes(range(256)) * 10


@pytest.fixture
def web() -> Iterator[WebServer]:
    with serving() as server:
        yield server


@pytest.mark.parametrize("code", [301, 302, 303, 307, 308])
def test_redirects_are_followed(web: WebServer, code: int) -> None:
    web.pages["/a.jpg"] = status(code, Location="/b/../c.jpg?x=1")
    web.pages["/c.jpg"] = body(DATA)
    assert local(web).get(web.url("/a.jpg")) == DATA
    assert web.seen == ["GET /a.jpg", "GET /c.jpg?x=1"]


@pytest.mark.parametrize(
    ("location", "words"),
    [
        ("http://elsewhere.example/", "storage.http.hosts"),
        ("http://169.254.169.254/latest/meta-data/", "storage.http.hosts"),
        ("http://meta.example.com/", "storage.http.private_networks"),
        ("//evil.example/a.jpg", "storage.http.hosts"),
        ("ftp://127.0.0.1/a.jpg", "expected http://"),
        ("file:///etc/passwd", "expected http://"),
        ("http://u:secret@127.0.0.1/", "user name or password"),
        ("http://127.0.0.1\\@evil.example/", "user name or password"),
        ("http://[::1/", "no address"),
    ],
)
def test_a_redirect_goes_nowhere_else(web: WebServer, location: str, words: str) -> None:
    web.pages["/a.jpg"] = status(302, Location=location)
    answers = {"meta.example.com": "169.254.169.254", "127.0.0.1": "127.0.0.1"}
    hosts = (f"127.0.0.1:{web.port}", "meta.example.com")
    reader = store(*hosts, resolve=lambda host, port, **_: answer(answers[host], port))
    found = failure(lambda: reader.get(web.url("/a.jpg")))
    assert found.code is FailureCode.BAD_ADDRESS
    assert words in found.message
    assert "secret" not in found.message
    assert web.seen == ["GET /a.jpg"]


def test_a_redirect_to_an_unencoded_name_is_followed(web: WebServer) -> None:
    location = "/ü b.jpg".encode().decode("latin-1")
    web.pages["/a.jpg"] = status(302, Location=location)
    web.pages["/%C3%BC%20b.jpg"] = body(DATA)
    assert local(web).get(web.url("/a.jpg")) == DATA


def test_an_endless_redirect_ends(web: WebServer) -> None:
    web.pages["/a.jpg"] = status(302, Location="/a.jpg")
    found = failure(lambda: local(web).get(web.url("/a.jpg")))
    assert found.code is FailureCode.BAD_ADDRESS
    assert len(web.seen) == 6


def test_a_name_of_this_machine_is_refused_unless_it_is_allowed(web: WebServer) -> None:
    web.pages["/a.jpg"] = body(DATA)
    uri, host = web.url("/a.jpg", "LocalHost."), f"localhost:{web.port}"
    found = failure(lambda: store(host, networks=()).get(uri))
    assert found.code is FailureCode.BAD_ADDRESS
    assert "127.0.0.1" in found.message
    assert web.seen == []
    assert store(host).get(uri) == DATA


@pytest.mark.parametrize(
    "ip",
    [
        *("127.0.0.1", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254"),
        *("100.64.0.1", "0.0.0.0", "224.0.0.1", "240.0.0.1", "255.255.255.255"),
        *("192.0.0.8", "198.18.0.1", "::", "::1", "::ffff:127.0.0.1", "::ffff:10.0.0.1"),
        *("::127.0.0.1", "fe80::1", "fc00::1", "fec0::1", "ff02::1", "2001:db8::1"),
        *("3fff::1", "5f00::1", "64:ff9b::7f00:1", "64:ff9b:1::a00:1", "2002:7f00:1::"),
    ],
)
def test_no_address_that_is_not_public_is_connected_to(ip: str) -> None:
    reader = store("a.com", networks=(), resolve=lambda host, port, **_: answer(ip, port))
    found = failure(lambda: reader.get("http://a.com/x.jpg"))
    assert found.code is FailureCode.BAD_ADDRESS
    assert "storage.http.private_networks" in found.message


def test_a_name_that_changes_its_address_gains_nothing(web: WebServer) -> None:
    web.pages["/a.jpg"] = body(DATA)
    asked: list[str] = []

    def rebinding(host: str, port: int, **_) -> list[tuple]:
        asked.append(host)
        return answer("127.0.0.1" if len(asked) == 1 else "127.0.0.2", port)

    reader = store(
        f"a.com:{web.port}", networks=("127.0.0.1/32",), resolve=rebinding, timeout_s=2
    )
    uri = web.url("/a.jpg", "a.com")
    assert reader.get(uri) == DATA
    assert asked == ["a.com"]
    assert failure(lambda: reader.get(uri)).code is FailureCode.BAD_ADDRESS
    assert len(web.seen) == 1


@pytest.mark.parametrize(
    "host", ["0x7f000001", "2130706433", "0177.0.0.1", "127.1", "[::1%25lo]"]
)
def test_odd_forms_of_an_address_are_none(web: WebServer, host: str) -> None:
    found = failure(lambda: local(web).get(web.url("/a.jpg", host)))
    assert found.code is FailureCode.BAD_ADDRESS
    assert "expected an IP" in found.message
    assert web.seen == []


@pytest.mark.parametrize(
    ("uri", "words"),
    [
        ("http://evil.com/a.jpg", "'evil.com' to storage.http.hosts"),
        ("http://shop.com:81/a.jpg", "'shop.com:81' to storage.http.hosts"),
        ("http://[::ffff:127.0.0.1]/a.jpg", "to storage.http.hosts"),
        ("http://u:secret@shop.com/a.jpg", "without them"),
        ("http://shop.com@evil.com/a.jpg", "without them"),
        ("http://evil.com\\.shop.com/a.jpg", "backslashes"),
        ("http://shop.com\r\nHost: evil.com/a.jpg", "control characters"),
        ("http:///a.jpg", "expected a host name"),
        ("http://shop.com:99999/a.jpg", "port from 1"),
        ("http://ｓhop.com/a.jpg", "xn--"),
        ("http://shop。com/a.jpg", "xn--"),
    ],
)
def test_an_address_that_is_not_allowed_is_refused(uri: str, words: str) -> None:
    def resolve(*_, **__) -> list[tuple]:
        raise AssertionError("a refused name was looked up")

    found = failure(lambda: store("shop.com", "*.shop.com", resolve=resolve).get(uri))
    assert found.code is FailureCode.BAD_ADDRESS
    assert words in found.message
    assert "secret" not in found.message
