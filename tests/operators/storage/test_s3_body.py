from __future__ import annotations

import hashlib
from typing import Any

import pytest

from operators.storage.s3_body import LARGE_BYTES, Wholeness
from operators.storage.s3_errors import ShortBody

DATA = b"0123456789"
MD5 = hashlib.md5(DATA, usedforsecurity=False).hexdigest()
NO_MD5 = "f" * 32


class Asked:
    """Answers the size of objects, and counts."""

    def __init__(self, size: int) -> None:
        self.size, self.times = size, 0

    def __call__(self, uri: str) -> int:
        self.times += 1
        return self.size


def check(wholeness: Wholeness, data: bytes, *replies: dict[str, Any], uri="s3://b/a") -> None:
    """One read, which comes alike with each reply."""
    body = wholeness.reader(uri)
    for number, reply in enumerate(replies, start=1):
        body.restart()
        body.take(data)
        if number == len(replies):
            body.require_whole(reply)
            return
        with pytest.raises(ShortBody):
            body.require_whole(reply)


def test_the_md5_tells_without_another_request():
    asked = Asked(10)
    check(Wholeness(asked), DATA, {"ETag": f'"{MD5}"'})
    with pytest.raises(ShortBody, match="not those of the ETag"):
        check(Wholeness(asked), DATA[:5], {"ETag": f'"{MD5}"'})
    assert asked.times == 0


def test_what_comes_twice_alike_is_held_to_the_size_that_the_store_says():
    reply = {"ETag": f'"{MD5}"'}
    with pytest.raises(ShortBody, match="5 bytes came of an object of 10"):
        check(Wholeness(Asked(10)), DATA[:5], reply, reply)


def test_etags_of_a_bucket_that_are_no_md5_are_found_out_once():
    asked = Asked(10)
    wholeness = Wholeness(asked)
    reply = {"ETag": f'"{NO_MD5}"'}
    check(wholeness, DATA, reply, reply)
    check(wholeness, DATA[:5], reply)
    assert asked.times == 1
    with pytest.raises(ShortBody):
        check(wholeness, DATA, reply, uri="s3://other/a")


@pytest.mark.parametrize(
    "reply",
    [
        {"ETag": f'"{NO_MD5}"', "ServerSideEncryption": "aws:kms"},
        {"ETag": f'"{NO_MD5}"', "SSECustomerAlgorithm": "AES256"},
        {"ETag": f'"{NO_MD5}-3"'},
        {"ETag": '"1f-62a"'},
    ],
)
def test_etags_that_are_no_md5_by_what_the_reply_says_tell_nothing(reply):
    asked = Asked(LARGE_BYTES + 1)
    check(Wholeness(asked), DATA, reply)
    assert asked.times == 0
    with pytest.raises(ShortBody):
        check(Wholeness(asked), bytes(LARGE_BYTES), reply)
    assert asked.times == 1
