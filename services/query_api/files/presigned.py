"""A file by a URL of storage: who may have it, and the count, are as of a download; its bytes do not pass here."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Final

from fastapi import APIRouter, Request
from starlette.responses import Response

from services.query_api.files.damage import DamageReports
from services.query_api.files.download import Choice, Download, counter_of, missing
from services.query_api.gate import VERSION, docs
from services.query_api.ports import Clock, DownloadLog
from tensorfleet.blobs.filenames import content_disposition
from tensorfleet.blobs.presigning import Presigner
from tensorfleet.blobs.store import BlobStore
from tensorfleet.domain.errors import BlobMissing, PresignOff
from tensorfleet.http.access.guard import principal_of
from tensorfleet.http.json import json_response
from tensorfleet.http.times import time_text

_TOLD: Final[tuple[str, ...]] = (
    "X-Model-Algorithm",
    "X-Model-Version",
    "X-File-Checksum",
    "X-Scan-Verdict",
    "Deprecation",
)
"""The headers of a download that hold for this answer, too."""


def presigned_routes(
    choice: Choice,
    blobs: BlobStore,
    log: DownloadLog,
    damage: DamageReports,
    presigner: Presigner | None,
    clock: Clock,
) -> APIRouter:
    """`presigner` None: the route is there, and says that it is off."""
    router = APIRouter(prefix="/api/v1/models", tags=["files"])

    @router.get("/{model_id}/download-url", **_docs())
    async def download_url(request: Request, model_id: str) -> Response:
        if presigner is None:
            raise PresignOff
        wanted = await choice.of(request, model_id)
        if await blobs.size(wanted.checksum) is None:
            await damage.failed(wanted.suspect, BlobMissing(wanted.checksum))
            raise missing(wanted)
        if request.method == "GET":  # a HEAD gets no URL
            await counter_of(log, wanted, principal_of(request).actor)()
        headers = wanted.headers()
        told = {name: headers[name] for name in _TOLD if name in headers}
        return json_response(_members(wanted, presigner, clock()), headers=told)

    return router


def _members(wanted: Download, presigner: Presigner, now: int) -> dict[str, Any]:
    moment = datetime.fromtimestamp(now / 1e6, UTC)
    signed = presigner.download(f"sha256/{wanted.checksum}", content_disposition(wanted.filename()), moment)
    return {
        "model_id": wanted.model["_id"],
        "version": wanted.version["version"],
        "filename": wanted.filename(),
        "size_bytes": wanted.size,
        "checksum": f"sha256:{wanted.checksum}",
        "url": signed.url,
        "expires_at": time_text(signed.expires_at),
    }


def _docs() -> dict[str, Any]:
    documented = docs("get_download_url", "A URL of the file; counts as a download", [VERSION], 403, 404, 409)
    parameters = documented["openapi_extra"]["parameters"]
    documented["openapi_extra"]["parameters"] = [one for one in parameters if one["name"] != "If-None-Match"]
    return {
        **documented,
        "description": "GET it within its time; ranges work. Compare the file with `checksum`: the registry does "
        "not see these bytes. 404 `presign-off` unless the operator has set `PRESIGN=true`. More: docs/presign.md.",
    }
