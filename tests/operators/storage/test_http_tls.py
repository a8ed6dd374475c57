"""HTTPS: the certificate is checked against the name, though the socket goes to an IP."""

from __future__ import annotations

import datetime
import socket
import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from operators.storage.http import HttpStore
from schemas.failure import FailureCode, ItemFailure
from schemas.inputs import HttpSpec
from schemas.job import StorageSpec
from tests.fixtures.web import WebServer, body, serving, status

NAME = "cdn.example.com"


@pytest.fixture(scope="module")
def certificate(tmp_path_factory) -> Path:
    """A certificate for `NAME` that signs itself, with its key, in one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, NAME)])
    now = datetime.datetime.now(datetime.UTC)
    built = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(NAME)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path_factory.mktemp("tls") / "both.pem"
    secret = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    path.write_bytes(secret + built.public_bytes(serialization.Encoding.PEM))
    return path


@pytest.fixture
def web(certificate: Path) -> Iterator[WebServer]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    with serving(context) as server:
        server.pages["/a.jpg"] = body(b"picture")
        yield server


def store(*hosts: str) -> HttpStore:
    def resolve(host: str, port: int, **_) -> list[tuple]:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port))]

    http = HttpSpec(hosts=hosts, private_networks=("127.0.0.0/8",))
    return HttpStore(StorageSpec(http=http, timeout_s=5), resolve)


def test_a_certificate_for_the_name_is_taken(web: WebServer, certificate, monkeypatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    assert store(f"{NAME}:{web.port}").get(web.url("/a.jpg", NAME)) == b"picture"


@pytest.mark.parametrize(("host", "trusted"), [(NAME, False), ("other.example.com", True)])
def test_any_other_certificate_is_refused_at_once(
    web: WebServer, certificate, monkeypatch, host: str, trusted: bool
) -> None:
    if trusted:
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    with pytest.raises(ItemFailure, match="SSL_CERT_FILE") as caught:
        store(f"{host}:{web.port}").get(web.url("/a.jpg", host))
    assert caught.value.code is FailureCode.STORAGE_UNAVAILABLE
    assert web.seen == []


def test_a_redirect_down_to_http_is_refused(web: WebServer, certificate, monkeypatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    web.pages["/down.jpg"] = status(301, Location=f"http://{NAME}/a.jpg")
    with pytest.raises(ItemFailure, match="from https down to http") as caught:
        store(f"{NAME}:{web.port}", NAME).get(web.url("/down.jpg", NAME))
    assert caught.value.code is FailureCode.BAD_ADDRESS
