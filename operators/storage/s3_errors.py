"""What boto3 raises, sorted into what it means for Tagline."""

from __future__ import annotations

from enum import StrEnum

from botocore import exceptions as botocore_errors
from botocore.parsers import ResponseParserError
from urllib3 import exceptions as urllib3_errors

from operators.storage.base import missing
from schemas.failure import (
    FailureCode,
    ItemFailure,
    Stage,
    StorageError,
    TaglineError,
    UsageError,
)


class Trouble(StrEnum):
    """The kinds of trouble with an S3 request."""

    TRANSIENT = "transient"
    NO_OBJECT = "no object"
    NO_BUCKET = "no bucket"
    DENIED = "denied"
    PRECONDITION = "precondition"
    BAD_REQUEST = "bad request"
    UNKNOWN_REQUEST = "unknown request"


class ShortBody(Exception):
    """A reply ended before the length that it had announced."""


FOREIGN = (
    botocore_errors.BotoCoreError,
    botocore_errors.ClientError,
    ResponseParserError,
    urllib3_errors.HTTPError,
    ShortBody,
    OSError,
)
"""Everything a request can raise."""

_DENIED = (
    botocore_errors.NoCredentialsError,
    botocore_errors.PartialCredentialsError,
    botocore_errors.CredentialRetrievalError,
    botocore_errors.TokenRetrievalError,
    botocore_errors.UnauthorizedSSOTokenError,
    botocore_errors.ProfileNotFound,
)
_TRANSIENT = (
    botocore_errors.ConnectionError,
    botocore_errors.HTTPClientError,
    botocore_errors.IncompleteReadError,
    ResponseParserError,
    urllib3_errors.HTTPError,
    ShortBody,
    OSError,
)
_BY_CODE = {
    "NoSuchBucket": Trouble.NO_BUCKET,
    "InvalidBucketName": Trouble.NO_BUCKET,
    "NoSuchKey": Trouble.NO_OBJECT,
    "PreconditionFailed": Trouble.PRECONDITION,
    "InvalidAccessKeyId": Trouble.DENIED,
    "SignatureDoesNotMatch": Trouble.DENIED,
    "ExpiredToken": Trouble.DENIED,
    "InvalidToken": Trouble.DENIED,
    "InvalidObjectState": Trouble.DENIED,
    "SlowDown": Trouble.TRANSIENT,
    "RequestTimeout": Trouble.TRANSIENT,
    "RequestTimeTooSkewed": Trouble.TRANSIENT,
    "ConditionalRequestConflict": Trouble.TRANSIENT,
    "OperationAborted": Trouble.TRANSIENT,
    "NotImplemented": Trouble.UNKNOWN_REQUEST,
}
_BY_STATUS = {
    401: Trouble.DENIED,
    403: Trouble.DENIED,
    404: Trouble.NO_OBJECT,
    408: Trouble.TRANSIENT,
    412: Trouble.PRECONDITION,
    416: Trouble.PRECONDITION,
    429: Trouble.TRANSIENT,
}


def sort_out(error: Exception) -> Trouble:
    """The kind of trouble behind an exception of boto3's."""
    if isinstance(error, botocore_errors.ClientError):
        code = error.response.get("Error", {}).get("Code", "")
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
        if code in _BY_CODE:
            return _BY_CODE[code]
        if status >= 500:
            return Trouble.TRANSIENT
        return _BY_STATUS.get(status, Trouble.BAD_REQUEST)
    if isinstance(error, _DENIED):
        return Trouble.DENIED
    if isinstance(error, _TRANSIENT):
        return Trouble.TRANSIENT
    return Trouble.BAD_REQUEST


def is_transient(error: Exception) -> bool:
    """Whether another attempt can help."""
    return isinstance(error, FOREIGN) and sort_out(error) is Trouble.TRANSIENT


def is_past_the_end(error: botocore_errors.ClientError) -> bool:
    """Whether a range was refused because the object ends before it begins."""
    return error.response.get("ResponseMetadata", {}).get("HTTPStatusCode") == 416


def what_it_said(error: Exception) -> str:
    """The store's words: its code and message, or the client's."""
    if isinstance(error, botocore_errors.ClientError):
        said = error.response.get("Error", {})
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", "?")
        return f"HTTP {status} {said.get('Code', '')}: {said.get('Message', '')}".rstrip(": ")
    return f"{type(error).__name__}: {error}"


_CREDENTIALS = (
    "check the AWS credentials (environment, profile or role) and the bucket's policy"
)

_CHECK_THE_NETWORK = "check storage.endpoint_url and the network, or raise storage.timeout_s"
_SET_THE_CLOCK = "set this machine's clock, which the store finds wrong"


def _is_skewed(error: Exception) -> bool:
    """Whether the clocks differ. It may pass: one of many servers, or ours being set right."""
    return "RequestTimeTooSkewed" in what_it_said(error)


def _remedy(error: Exception) -> str:
    if _is_skewed(error):
        return _SET_THE_CLOCK
    return "if the store is up, raise storage.timeout_s"


def item_failure(uri: str, error: Exception) -> ItemFailure:
    """What a failed read of one object becomes."""
    said = what_it_said(error)
    trouble = sort_out(error)
    if trouble is Trouble.NO_OBJECT:
        return missing(uri)
    if trouble is Trouble.NO_BUCKET:
        code, words = FailureCode.MISSING_OBJECT, f"the bucket of {uri} does not exist ({said})"
    elif trouble is Trouble.DENIED:
        code = FailureCode.ACCESS_DENIED
        words = f"{uri}: the store refused access ({said}); {_CREDENTIALS}"
    else:
        code = FailureCode.STORAGE_UNAVAILABLE
        words = f"{uri} could not be read ({said}); {_remedy(error)}"
    return ItemFailure(Stage.FETCH, code, words)


def job_error(action: str, uri: str, error: Exception) -> TaglineError:
    """What a failed listing or write becomes.

    Args:
        action: What was tried, as a verb: ``list``, ``write``, ``delete``.
        uri: Of what.
        error: What boto3 raised.
    """
    said = what_it_said(error)
    trouble = sort_out(error)
    if trouble in (Trouble.NO_BUCKET, Trouble.NO_OBJECT):
        return UsageError(
            f"cannot {action} {uri}: there is no such bucket ({said}); "
            "check the bucket's name and storage.endpoint_url"
        )
    if trouble is Trouble.DENIED:
        return UsageError(f"cannot {action} {uri}: access denied ({said}); {_CREDENTIALS}")
    if trouble is Trouble.TRANSIENT:
        return StorageError(
            f"cannot {action} {uri}: the store cannot be reached ({said}); "
            + (_SET_THE_CLOCK if _is_skewed(error) else _CHECK_THE_NETWORK)
        )
    if trouble is Trouble.UNKNOWN_REQUEST:
        return UsageError(
            f"cannot {action} {uri}: the store does not know such requests ({said}); it must "
            "know If-None-Match for what is written to it, update it or choose another"
        )
    return UsageError(
        f"cannot {action} {uri}: the request was refused ({said}); "
        "check the URI, storage.region and storage.path_style"
    )
