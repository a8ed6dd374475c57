"""What goes wrong with web servers, sorted into what it means for Tagline."""

from __future__ import annotations

import email.utils
import socket
import ssl
from collections.abc import Iterator
from datetime import UTC, datetime
from http.client import HTTPException

from urllib3.exceptions import HTTPError

from operators.storage.base import missing
from schemas.failure import FailureCode, ItemFailure, Stage

_GONE = (404, 410)
_DENIED = (401, 402, 403, 407, 451)
_PASSING = (408, 425, 429)


class BadStatus(Exception):
    """A reply that is no success.

    Args:
        origin: Who replied.
        status: The HTTP status.
        retry_after: The header of that name, if there was one.
    """

    def __init__(self, origin: str, status: int, retry_after: str | None) -> None:
        super().__init__(f"{origin} replied HTTP {status}")
        self.status = status
        self.retry_after = retry_after


class ShortBody(Exception):
    """A reply ended before the length that it had announced."""


FOREIGN = (HTTPError, HTTPException, OSError, BadStatus, ShortBody)
"""Everything a request can raise."""


def _causes(error: BaseException) -> Iterator[BaseException]:
    """An exception, and those that it wraps."""
    seen: list[BaseException] = []
    queue: list[BaseException | None] = [error]
    while queue:
        one = queue.pop()
        if one is None or any(one is other for other in seen):
            continue
        seen.append(one)
        yield one
        queue += [one.__cause__, one.__context__]
        queue += [part for part in one.args if isinstance(part, BaseException)]


def _is_final(error: Exception) -> bool:
    """Whether the name does not exist, or the certificate is not the host's."""
    for cause in _causes(error):
        if isinstance(cause, ssl.SSLCertVerificationError):
            return True
        if isinstance(cause, socket.gaierror) and cause.errno != socket.EAI_AGAIN:
            return True
    return False


def is_transient(error: Exception) -> bool:
    """Whether another attempt can help."""
    if isinstance(error, BadStatus):
        return error.status >= 500 or error.status in _PASSING
    return isinstance(error, FOREIGN) and not _is_final(error)


def asked_pause_s(error: Exception) -> float:
    """Seconds that the server asked to be left alone (Retry-After); 0 if it did not."""
    said = error.retry_after if isinstance(error, BadStatus) else None
    if not said:
        return 0.0
    if said.isascii() and said.isdigit():
        return float(said[:10])
    try:
        moment = email.utils.parsedate_to_datetime(said)
    except ValueError:
        return 0.0
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return max(0.0, (moment - datetime.now(UTC)).total_seconds())


def item_failure(uri: str, error: Exception) -> ItemFailure:
    """What a failed read of one address becomes."""
    said = str(error) if isinstance(error, BadStatus) else f"{type(error).__name__}: {error}"
    status = error.status if isinstance(error, BadStatus) else 0
    if status in _GONE:
        return missing(uri)
    if status in _DENIED:
        code = FailureCode.ACCESS_DENIED
        words = f"{uri}: access refused ({said}); Tagline sends no credentials over HTTP"
    elif status and not is_transient(error):
        code = FailureCode.BAD_ADDRESS
        words = f"{uri} could not be read ({said}); check the address"
    else:
        code = FailureCode.STORAGE_UNAVAILABLE
        words = f"{uri} could not be read ({said}); {_remedy(error)}"
    return ItemFailure(Stage.FETCH, code, words)


def _remedy(error: Exception) -> str:
    causes = list(_causes(error))
    if any(isinstance(cause, ssl.SSLCertVerificationError) for cause in causes):
        return "if its certificate is from an authority of your own, name that in SSL_CERT_FILE"
    if any(isinstance(cause, socket.gaierror) for cause in causes):
        return "check the host's name"
    return "if the server is up, raise storage.timeout_s"
