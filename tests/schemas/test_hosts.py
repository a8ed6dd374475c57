"""The list of hosts: what is on it matches, whatever else does not."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from schemas.hosts import HostPattern, normal_host
from schemas.inputs import HttpSpec
from schemas.job import JobSpec

LABELS = st.from_regex(r"[a-z0-9]([a-z0-9-]{0,5}[a-z0-9])?", fullmatch=True)
NAMES = st.lists(LABELS, min_size=1, max_size=4).map(lambda parts: ".".join([*parts, "com"]))


@pytest.mark.parametrize(
    ("pattern", "host", "port"),
    [
        ("cdn.example.com", "cdn.example.com", 443),
        ("CDN.Example.com.", "cdn.example.com", 443),
        ("*.shop.com", "a.shop.com", 443),
        ("*.shop.com", "a.b.shop.com", 443),
        ("*.shop.com:8443", "a.shop.com", 8443),
        ("127.0.0.1:8080", "127.0.0.1", 8080),
        ("[::1]:8080", "::1", 8080),
    ],
)
def test_a_listed_host_matches(pattern: str, host: str, port: int) -> None:
    assert HostPattern.parse(pattern).matches(host, port, 443)


@pytest.mark.parametrize(
    ("pattern", "host", "port"),
    [
        ("cdn.example.com", "cdn.example.com", 8443),
        ("cdn.example.com", "a.cdn.example.com", 443),
        ("cdn.example.com", "cdn.example.com.evil.net", 443),
        ("*.shop.com", "shop.com", 443),
        ("*.shop.com", "evilshop.com", 443),
        ("*.shop.com", "a.shop.com", 80),
        ("*.shop.com:8443", "a.shop.com", 443),
    ],
)
def test_what_only_looks_like_it_does_not(pattern: str, host: str, port: int) -> None:
    assert not HostPattern.parse(pattern).matches(host, port, 443)


@given(NAMES, NAMES)
def test_an_exact_host_matches_itself_alone(listed: str, asked: str) -> None:
    assert HostPattern.parse(listed).matches(asked, 443, 443) == (listed == asked)


@given(NAMES, NAMES)
def test_a_wildcard_matches_whole_labels_below_it(suffix: str, asked: str) -> None:
    whole, parts = suffix.split("."), asked.split(".")
    below = len(parts) > len(whole) and parts[-len(whole) :] == whole
    assert HostPattern.parse(f"*.{suffix}").matches(asked, 443, 443) == below


@given(NAMES, LABELS)
def test_a_wildcard_matches_every_name_below_it(suffix: str, label: str) -> None:
    pattern = HostPattern.parse(f"*.{suffix}")
    assert pattern.matches(f"{label}.{suffix}", 443, 443)
    assert not pattern.matches(f"{label}{suffix}", 443, 443)


@given(st.text(max_size=30))
def test_any_text_is_a_host_in_normal_form_or_refused(text: str) -> None:
    try:
        host = normal_host(text)
    except ValueError:
        return
    assert host == host.lower()
    assert normal_host(f"[{host}]" if ":" in host else host) == host


@pytest.mark.parametrize(
    "text",
    [
        *("", "*", "*.com", "*.0.0.1", "a.*.com", "http://a.com", "a.com/x", "a.com:0"),
        *("a.com:70000", "u@a.com", "a..com", "-a.com", "2130706433", "0x7f000001"),
        *("0177.0.0.1", "127.1", "[::1", "[fe80::1%eth0]", "münchen.de", "a com", "a.com:"),
        "x" * 64 + ".com",
    ],
)
def test_what_is_no_host_is_refused_by_the_job_file(text: str) -> None:
    with pytest.raises(ValidationError, match="expected"):
        HttpSpec.model_validate({"hosts": [text]})


@pytest.mark.parametrize("network", ["10.0.0.1/8", "everything", "10.0.0.0/40", ""])
def test_what_is_no_network_is_refused_by_the_job_file(network: str) -> None:
    with pytest.raises(ValidationError, match="expected a network like"):
        HttpSpec.model_validate({"hosts": ["a.com"], "private_networks": [network]})


def job(base: str, **sections) -> JobSpec:
    manifest = {"uris": "list.csv", "media": "photo", "base": base}
    required = {"input": {"manifest": manifest}, "tasks": ["caption"], "output": "out"}
    return JobSpec.model_validate(required | sections)


def test_a_base_on_the_web_needs_the_hosts() -> None:
    with pytest.raises(ValidationError, match=r"storage\.http\.hosts"):
        job("https://cdn.example.com/p/")
    allowed = job("https://cdn.example.com/p/", storage={"http": {"hosts": "cdn.example.com"}})
    assert allowed.storage.http == HttpSpec(hosts=("cdn.example.com",))


def test_items_and_output_are_not_taken_from_the_web() -> None:
    with pytest.raises(ValidationError, match="'https' is not known"):
        job("s3://shop/p/", output="https://cdn.example.com/out/")
