"""The registry as the scanner sees it: where verdicts are recorded, and which files of a model have none."""

from __future__ import annotations

import hashlib
import hmac
from ssl import SSLContext
from typing import Any, Final

import aiohttp
import orjson

from services.scanner.artifact import Artifact
from tensorfleet.domain.errors import DependencyUnavailable

_SECONDS: Final = 30.0
_TOLD_BEFORE: Final = "idempotency-key-reused"
_GONE: Final = frozenset({"model-not-found", "version-not-found", "file-not-found", "other-file", "model-parked"})


class RegistryUnavailable(DependencyUnavailable):
    """It does not do now what it should."""


class Registry:
    """`url` takes commands and answers reads. `secret` is known to the registry's own processes alone.

    `trusted`: who signs the certificate behind an https `url`.
    """

    def __init__(self, url: str, secret: str, api_key: str | None = None, trusted: SSLContext | bool = True) -> None:
        self._url = url.rstrip("/")
        self._secret = secret.encode()
        credentials = {} if api_key is None else {"X-API-Key": api_key}
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(ssl=trusted),
            timeout=aiohttp.ClientTimeout(total=_SECONDS),
            headers=credentials,
        )

    async def close(self) -> None:
        await self._session.close()

    async def record(self, artifact: Artifact, report: dict[str, Any]) -> bool:
        """False if nobody wants the verdict any more. RegistryUnavailable: say it again, as often as you like."""
        path = f"/api/v1/models/{artifact.model_id}/versions/{artifact.version}/scan"
        headers = {
            "Content-Type": "application/json",
            "Idempotency-Key": self._key(artifact, report["scanner"]),
            "Prefer": "respond-async",
        }
        status, members = await self._ask("POST", path, headers, orjson.dumps(report))
        return status == 200 or members["code"] == _TOLD_BEFORE

    async def unscanned(self, model_id: str, position: str) -> list[Artifact]:
        """The files of a model on which there is no verdict, as of a position of the log. RegistryUnavailable."""
        headers = {"X-Registry-Min-Position": position}
        status, members = await self._ask("GET", f"/api/v1/models/{model_id}/versions", headers)
        versions = members["versions"] if status == 200 else []
        return [_artifact(one) for one in versions if one["scan"] is not None and one["scan"]["scanned_at"] is None]

    def _key(self, artifact: Artifact, scanner: str) -> str:
        """What these rules said of the file first, they say for good. Nobody else can take the key before us."""
        told = f"{artifact.model_id} {artifact.version} {artifact.checksum} {scanner}"
        return f"scan-{hmac.new(self._secret, told.encode(), hashlib.sha256).hexdigest()}"

    async def _ask(self, method: str, path: str, headers: dict[str, str], body: bytes = b"") -> tuple[int, Any]:
        """Status and members of an answer that settles it. RegistryUnavailable for every other one."""
        try:
            async with self._session.request(method, self._url + path, data=body, headers=headers) as answer:
                members = orjson.loads(await answer.read())
                if answer.status == 200 or members["code"] in _GONE | {_TOLD_BEFORE}:
                    return answer.status, members
                refusal = f"{answer.status} {members['code']}: {members['detail']}"
        except (aiohttp.ClientError, TimeoutError, ValueError, KeyError, TypeError) as error:
            raise RegistryUnavailable(f"{self._url} does not answer: {type(error).__name__}.") from error
        raise RegistryUnavailable(f"{self._url} refuses {method} {path}: {refusal}")


def _artifact(version: dict[str, Any]) -> Artifact:
    file = version["file_metadata"]
    return Artifact(version["id"], version["version"], file["checksum"].removeprefix("sha256:"), file["size_bytes"])
