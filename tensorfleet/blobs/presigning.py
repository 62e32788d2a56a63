"""URLs that let whoever has them do one thing with one object of storage, for a while (S3's signature, version 4).

minio-py signs such URLs, too, but never the length of what is sent: whoever has its URL of a part could send 5 GiB.
Here it is signed, so the store refuses a part of any other length than was agreed on. Nothing is sent from here.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final
from urllib.parse import quote

from tensorfleet.settings import Settings

_ALGORITHM: Final = "AWS4-HMAC-SHA256"
_SERVICE: Final = "s3"


@dataclass(frozen=True, slots=True)
class PresignedUrl:
    """`expires_at`, in microseconds since 1970: a transfer must have begun by then."""

    url: str
    expires_at: int


class Presigner:
    """`origin` is where clients reach the store, as `https://host:port`; buckets are in the path."""

    def __init__(
        self, origin: str, access_key: str, secret_key: str, bucket: str, seconds: int, *, region: str = "us-east-1"
    ) -> None:
        self._origin = origin
        self._host = origin.partition("://")[2]
        self._access_key = access_key
        self._secret_key = secret_key
        self._bucket = bucket
        self._seconds = seconds
        self._region = region

    def part(self, key: str, store_id: str, number: int, size_bytes: int, now: datetime) -> PresignedUrl:
        """PUT this part of an upload: exactly so many bytes."""
        query = {"partNumber": str(number), "uploadId": store_id}
        return self._signed("PUT", key, query, {"content-length": str(size_bytes)}, now)

    def download(self, key: str, disposition: str, now: datetime) -> PresignedUrl:
        """GET this object, or ranges of it. `disposition`: the answer's Content-Disposition."""
        query = {
            "response-content-disposition": disposition,
            "response-content-type": "application/octet-stream",
        }
        return self._signed("GET", key, query, {}, now)

    def _signed(
        self, method: str, key: str, query: Mapping[str, str], headers: Mapping[str, str], now: datetime
    ) -> PresignedUrl:
        at = now.astimezone(UTC).replace(microsecond=0)
        headers = {**headers, "host": self._host}
        scope = f"{at:%Y%m%d}/{self._region}/{_SERVICE}/aws4_request"
        path = quote(f"/{self._bucket}/{key}", safe="/-_.~")
        parameters = _encoded(
            {
                **query,
                "X-Amz-Algorithm": _ALGORITHM,
                "X-Amz-Credential": f"{self._access_key}/{scope}",
                "X-Amz-Date": f"{at:%Y%m%dT%H%M%SZ}",
                "X-Amz-Expires": str(self._seconds),
                "X-Amz-SignedHeaders": ";".join(sorted(headers)),
            }
        )
        lines = "".join(f"{name}:{headers[name]}\n" for name in sorted(headers))
        request = f"{method}\n{path}\n{parameters}\n{lines}\n{';'.join(sorted(headers))}\nUNSIGNED-PAYLOAD"
        digest = hashlib.sha256(request.encode()).hexdigest()
        text = f"{_ALGORITHM}\n{at:%Y%m%dT%H%M%SZ}\n{scope}\n{digest}"
        signature = hmac.digest(self._key_of(scope), text.encode(), hashlib.sha256).hex()
        expires_at = (int(at.timestamp()) + self._seconds) * 1_000_000
        return PresignedUrl(f"{self._origin}{path}?{parameters}&X-Amz-Signature={signature}", expires_at)

    def _key_of(self, scope: str) -> bytes:
        key = f"AWS4{self._secret_key}".encode()
        for part in scope.split("/"):
            key = hmac.digest(key, part.encode(), hashlib.sha256)
        return key


def presigner_of(settings: Settings) -> Presigner | None:
    """None while PRESIGN is off."""
    if not settings.presign:
        return None
    assert settings.presign_endpoint and settings.presign_access_key and settings.presign_secret_key
    return Presigner(
        settings.presign_endpoint,
        settings.presign_access_key.get_secret_value(),
        settings.presign_secret_key.get_secret_value(),
        settings.minio_bucket,
        settings.presign_url_seconds,
    )


def _encoded(query: Mapping[str, str]) -> str:
    pairs = sorted((quote(name, safe="-_.~"), quote(value, safe="-_.~")) for name, value in query.items())
    return "&".join(f"{name}={value}" for name, value in pairs)
