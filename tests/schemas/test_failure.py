"""The tree of failures: drawn, traceable, and with no foreign exception outside of it."""

from __future__ import annotations

import copy
import inspect
import re

import av.error
import pytest
from botocore import exceptions as botocore_errors
from urllib3 import exceptions as urllib3_errors

import schemas.failure
from operators.fetch import as_failure
from operators.signatures import sniff
from operators.storage.s3_errors import FOREIGN, Trouble, sort_out
from operators.video.damage import Damage
from operators.video.decode import _mapping_errors
from schemas.failure import (
    RETRYABLE,
    FailureCode,
    ItemFailure,
    Stage,
    exception_digest,
)
from schemas.item import Item
from schemas.item_tables import failure_from_struct, failure_to_struct
from schemas.media import MediaKind

ITEM = Item("a", MediaKind.IMAGE, "v1", (), ())


def test_the_docstring_draws_every_code_and_stars_what_may_pass():
    drawn = schemas.failure.__doc__ or ""
    codes = dict(re.findall(r"\b([a-z]+(?:_[a-z]+)*)(\*?)(?=  |\n|$)", drawn))
    assert set(FailureCode) <= set(codes)
    assert {code for code in FailureCode if codes[code]} == RETRYABLE


def fail(text: str, how: str) -> ItemFailure:
    try:
        if how == "int":
            int(text)
        else:
            raise KeyError(text)
    except (ValueError, KeyError) as error:
        return _raised_from(error)


def _raised_from(error: Exception) -> ItemFailure:
    try:
        raise ItemFailure(Stage.DECODE, FailureCode.CORRUPT, "bad") from error
    except ItemFailure as failure:
        return failure


def test_what_went_wrong_in_the_same_way_has_one_digest():
    one, other = fail("x", "int").exception, fail("yy", "int").exception
    assert one is not None
    assert re.fullmatch(r"ValueError@[0-9a-f]{8}", one)
    assert one == other
    assert (fail("x", "key").exception or "").startswith("KeyError@")
    assert ItemFailure(Stage.DECODE, FailureCode.CORRUPT, "bad").exception is None


def test_a_digest_outlives_processes_and_tables():
    failure = fail("x", "int")
    rebuilt = copy.copy(failure)  # By `__reduce__`, as between processes.
    assert rebuilt.exception == failure.exception
    again = failure_from_struct(failure_to_struct(failure))
    assert again is not None
    assert again.exception == failure.exception


def test_a_digest_names_the_module_of_foreign_exceptions():
    assert exception_digest(av.error.InvalidDataError(1, "x")).startswith("av.error.")


def test_a_defect_becomes_a_failure_that_can_be_traced():
    try:
        raise ZeroDivisionError("secret/path")
    except ZeroDivisionError as error:
        failure = as_failure(error, Stage.DECODE, ITEM)
    assert failure.code is FailureCode.UNEXPECTED
    assert (failure.exception or "").startswith("ZeroDivisionError@")


def classes_of(module, base: type[BaseException]) -> list[type[BaseException]]:
    found = [one for _, one in inspect.getmembers(module, inspect.isclass)]
    return sorted((one for one in found if issubclass(one, base)), key=lambda one: one.__name__)


@pytest.mark.parametrize(
    "kind", classes_of(av.error, av.error.FFmpegError), ids=lambda kind: kind.__name__
)
def test_every_error_of_pyav_is_a_failure_of_its_item(kind):
    file_type = sniff(b"\x00\x00\x00\x18ftypisom\x00\x00\x02\x00isomiso2avc1mp41")
    assert file_type is not None
    with pytest.raises(ItemFailure) as raised, _mapping_errors(file_type, Damage("fail")):
        raise kind(1, "it broke")
    assert raised.value.code is not FailureCode.UNEXPECTED
    assert raised.value.exception


@pytest.mark.parametrize(
    "kind",
    [
        *classes_of(botocore_errors, botocore_errors.BotoCoreError),
        *classes_of(urllib3_errors, urllib3_errors.HTTPError),
    ],
    ids=lambda kind: kind.__name__,
)
def test_every_error_of_the_storage_clients_is_sorted(kind):
    error = kind.__new__(kind)
    assert isinstance(error, FOREIGN)
    assert sort_out(error) in Trouble


@pytest.mark.parametrize("status", range(400, 600))
def test_every_answer_of_a_store_is_sorted_and_none_of_its_own_faults_blames_the_item(status):
    about = {"Error": {"Code": "Odd"}, "ResponseMetadata": {"HTTPStatusCode": status}}
    trouble = sort_out(botocore_errors.ClientError(about, "GetObject"))
    assert (trouble is Trouble.TRANSIENT) == (status >= 500 or status in (408, 429))
