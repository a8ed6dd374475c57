"""The client that speaks to the store: boto3's, made without what boto3 puts around it."""

from __future__ import annotations

from functools import cache
from typing import Any

from botocore.config import Config
from botocore.session import Session, get_session

from operators.storage.s3_errors import FOREIGN
from schemas.failure import UsageError
from schemas.job import StorageSpec

CONNECT_TIMEOUT_S = 10.0
READ_TIMEOUT_S = 60.0
MAX_CONNECTIONS = 32


def make_client(spec: StorageSpec) -> Any:
    """A client for a job's storage.

    Raises:
        UsageError: The storage section describes none.
    """
    config = Config(
        # One attempt: `Retry` decides, so that timeout_s bounds them all together.
        retries={"total_max_attempts": 1, "mode": "standard"},
        connect_timeout=min(CONNECT_TIMEOUT_S, spec.timeout_s),
        read_timeout=min(READ_TIMEOUT_S, spec.timeout_s),
        max_pool_connections=MAX_CONNECTIONS,
        s3={"addressing_style": "path" if spec.path_style else "auto"},
        # Other stores than AWS do not know the newer checksums.
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
    )
    try:
        client = _session().create_client(
            "s3",
            endpoint_url=spec.endpoint_url,
            # A custom endpoint needs a region only for the signature.
            region_name=spec.region or ("us-east-1" if spec.endpoint_url else None),
            config=config,
        )
    except (*FOREIGN, ValueError) as error:
        raise UsageError(
            f"no S3 client can be made for {spec.endpoint_url or 'AWS'}: {error}; "
            "check storage.endpoint_url, storage.region and AWS_PROFILE"
        ) from error
    # botocore waits for ever when a connection breaks within an interim reply.
    client.meta.events.register("before-sign.s3.PutObject", _expect_no_interim_reply)
    return client


def _session() -> Session:
    """A session of its own, since credentials change; what describes S3 is parsed but once."""
    session = get_session()
    session.register_component("data_loader", _descriptions())
    return session


@cache
def _descriptions() -> Any:
    return get_session().get_component("data_loader")


def _expect_no_interim_reply(request: Any, **_: Any) -> None:
    del request.headers["Expect"]
