"""The edge to MinIO: a client with timeouts by kind of request, and the translation of every vendor error."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import certifi
from minio import Minio
from minio.error import MinioException, S3Error
from urllib3 import BaseHTTPResponse, PoolManager, Retry, Timeout
from urllib3.exceptions import HTTPError

from tensorfleet.domain.errors import BlobsUnavailable, StorageFull

CONNECT_SECONDS = 2.0
ANSWER_SECONDS = 3.0
SMALL_WRITE_SECONDS = 15.0
DATA_SECONDS = 60.0
COPY_SECONDS = 900.0
_MISSING = frozenset({"NoSuchKey", "NoSuchObject"})
_FULL = frozenset(
    {"XMinioStorageFull", "XMinioAdminBucketQuotaExceeded", "InsufficientStorage", "StorageFull", "QuotaExceeded"}
)
_INSUFFICIENT_STORAGE = 507
_ENOSPC = "no space left on device"  # MinIO passes it on in an InternalError when the disk fills up under a write


class NoSuchBlob(Exception):
    """MinIO answered that the object does not exist."""


class _TimedPool(PoolManager):
    """Each kind of request with its own patience: minio-py has one timeout for all of them.

    Requests that MinIO answers from its index, and the first byte of a read, take ANSWER_SECONDS at most. With one
    retry, a server that hangs is noticed within 8 seconds. A DELETE is sent once: one that is carried out late, after
    the answer to its repetition, could meet a blob that was stored anew.
    """

    def urlopen(self, method: str, url: str, redirect: bool = True, **kw: Any) -> BaseHTTPResponse:  # type: ignore[override]
        kw.setdefault("timeout", Timeout(connect=CONNECT_SECONDS, read=_patience(method, kw.get("headers") or {})))
        if method == "DELETE":
            kw.setdefault("retries", Retry(total=0))
        return super().urlopen(method, url, redirect, **kw)


def _patience(method: str, headers: Mapping[str, str]) -> float:
    given = {name.lower(): value for name, value in headers.items()}
    if "x-amz-copy-source" in given:
        return COPY_SECONDS
    if method in ("HEAD", "GET"):
        return ANSWER_SECONDS
    writes_little = method == "DELETE" or (method == "PUT" and given.get("content-length", "0") == "0")
    return SMALL_WRITE_SECONDS if writes_little else DATA_SECONDS


def connect(
    endpoint: str,
    access_key: str,
    secret_key: str,
    *,
    secure: bool,
    ca_file: Path | None,
    region: str,
    connections: int,
) -> Minio:
    """A client; nothing is sent yet. The region is given, so that no request is spent on asking for it."""
    pool = pool_of(connections, ca_file)
    return Minio(endpoint, access_key=access_key, secret_key=secret_key, secure=secure, region=region, http_client=pool)


def pool_of(connections: int, ca_file: Path | None) -> PoolManager:
    """Of connections to one store. `ca_file`: who signs its certificate, if not whom all trust."""
    return _TimedPool(
        maxsize=connections,
        retries=Retry(total=1, redirect=0, status=0, backoff_factor=0.1),
        cert_reqs="CERT_REQUIRED",
        ca_certs=str(ca_file or os.environ.get("SSL_CERT_FILE") or certifi.where()),
    )


def be_patient(response: BaseHTTPResponse) -> None:
    """Once the first byte of a read is there, let the following ones take DATA_SECONDS."""
    sock = getattr(response.connection, "sock", None)
    if sock is not None:
        sock.settimeout(DATA_SECONDS)


@contextmanager
def translated() -> Iterator[None]:
    """NoSuchBlob for a missing object, StorageFull, BlobsUnavailable for whatever else goes wrong on the way."""
    try:
        yield
    except S3Error as error:
        if error.code in _MISSING:
            raise NoSuchBlob from error
        if _is_about_room(error):
            raise StorageFull("The blob store has no room left; nothing was stored.") from error
        raise BlobsUnavailable(f"The blob store refused a request: {error.code}.") from error
    except (MinioException, HTTPError, OSError) as error:
        raise BlobsUnavailable(f"The blob store does not answer: {type(error).__name__}.") from error


def _is_about_room(error: S3Error) -> bool:
    status = getattr(error.response, "status", None)
    return error.code in _FULL or status == _INSUFFICIENT_STORAGE or _ENOSPC in (error.message or "").lower()
