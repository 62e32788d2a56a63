"""Downloads: the file of a version with its headers, ranges and conditions, and the count of each download."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote

from fastapi import APIRouter, Request
from starlette.exceptions import HTTPException
from starlette.responses import Response

from services.query_api.files.damage import DamageReports
from services.query_api.files.quarantine import SCAN_VERDICT, Quarantine
from services.query_api.files.ranges import NotSatisfiable, Part, requested_part
from services.query_api.files.transfer import Transfer, Uncounted
from services.query_api.gate import VERSION, ReadGate, docs, version_of
from services.query_api.lookups import live_model, live_version, newest_with_file
from services.query_api.ports import DownloadLog
from tensorfleet.blobs.filenames import content_disposition, safe_filename
from tensorfleet.blobs.store import BlobStore
from tensorfleet.blobs.suspects import Suspect
from tensorfleet.domain.errors import BlobMissing, BlobsUnavailable, FileNotFound
from tensorfleet.domain.events import ScanVerdict, Status
from tensorfleet.http.access.guard import principal_of
from tensorfleet.http.conditional import REVALIDATE, is_unchanged, range_still_applies
from tensorfleet.mongo.read_models import Document, ReadModels

_PRINTABLE: Final = "".join(chr(code) for code in range(0x20, 0x7F) if chr(code) != "%")


@dataclass(frozen=True, slots=True)
class Download:
    """A version that has a file, and its model."""

    model: Document
    version: Document
    verdict: Mapping[str, str]
    """The header that tells the verdict, if it is to be told."""

    @property
    def size(self) -> int:
        return int(self.version["file"]["size_bytes"])

    @property
    def checksum(self) -> str:
        return str(self.version["file"]["checksum"])

    @property
    def etag(self) -> str:
        return f'"{self.checksum}"'

    @property
    def suspect(self) -> Suspect:
        return Suspect(self.checksum, self.model["_id"], self.version["version"])

    def headers(self) -> dict[str, str]:
        headers = {
            "Content-Type": "application/octet-stream",
            "Content-Length": str(self.size),
            "Content-Disposition": content_disposition(self.filename()),
            "X-Content-Type-Options": "nosniff",
            "X-Model-Algorithm": _header_text(self.model["algorithm"]),
            "X-Model-Version": self.version["version"],
            "X-File-Checksum": f"sha256:{self.checksum}",
            "ETag": self.etag,
            "Accept-Ranges": "bytes",
            "Cache-Control": REVALIDATE,
            **self.verdict,
        }
        retired = [one for one in (self.model, self.version) if one["status"] != Status.ACTIVE]
        if retired:
            # RFC 9745 wants a date; the last change is the nearest to it that the read models know.
            headers["Deprecation"] = f"@{min(one['updated_at'] for one in retired) // 1_000_000}"
        return headers

    def filename(self) -> str:
        name = safe_filename(self.version["file"]["filename"])
        return name or safe_filename(self.model["name"].replace("/", "_").replace("\\", "_") + ".bin") or "model.bin"


class Choice:
    """What a request for a file means. ModelNotFound, VersionNotFound, FileNotFound, ArtifactQuarantined, ..."""

    def __init__(self, gate: ReadGate, reads: ReadModels, quarantine: Quarantine) -> None:
        self._gate = gate
        self._reads = reads
        self._quarantine = quarantine

    async def of(self, request: Request, model_id: str) -> Download:
        version = version_of(await self._gate.enter(request, [VERSION]))
        model = await live_model(self._reads, request, model_id)
        if version is None:
            found = await newest_with_file(self._reads, model)
        else:
            found = await live_version(self._reads, model, version)
        if found["file"] is None:
            raise FileNotFound(model_id, version)
        return Download(model, found, self._quarantine.headers(found))


def download_routes(
    choice: Choice, blobs: BlobStore, log: DownloadLog, damage: DamageReports, timeout_seconds: float
) -> APIRouter:
    router = APIRouter(prefix="/api/v1/models", tags=["files"])

    @router.get("/{model_id}/download", **_docs("download_file", "The file of a version; counts as a download"))
    async def download(request: Request, model_id: str) -> Response:
        wanted = await choice.of(request, model_id)
        headers = wanted.headers()
        if is_unchanged(request, wanted.etag):
            return _not_modified(headers)
        part = _part(request, wanted)
        if part is None:
            part, status = Part(0, wanted.size, wanted.size), 200
        else:
            headers |= {"Content-Length": str(part.length), "Content-Range": part.content_range}
            status = 206
        counter = counter_of(log, wanted, principal_of(request).actor) if part.start == 0 else Uncounted()
        transfer = Transfer(counter, lambda error: damage.failed(wanted.suspect, error), timeout_seconds)
        whole = part.length == wanted.size  # a part of a file has no checksum of its own
        try:
            reader = await blobs.open(wanted.checksum, part.start, part.length, verified=whole)
        except BlobMissing as error:
            await damage.failed(wanted.suspect, error)
            raise missing(wanted) from error
        except BlobsUnavailable as error:
            await damage.failed(wanted.suspect, error)
            raise
        return await transfer.begin(reader, status, headers)

    @router.head("/{model_id}/download", **_docs("head_file", "The headers of a download; counts as none"))
    async def head(request: Request, model_id: str) -> Response:
        wanted = await choice.of(request, model_id)
        headers = wanted.headers()
        if is_unchanged(request, wanted.etag):
            return _not_modified(headers)
        if await blobs.size(wanted.checksum) is None:
            raise missing(wanted)
        return Response(status_code=200, headers=headers)

    return router


def counter_of(log: DownloadLog, wanted: Download, actor: str) -> Any:
    model, version = wanted.model, wanted.version["version"]

    async def count() -> None:
        await log.record(model["_id"], model["name"], version, model["algorithm"], wanted.size, actor)

    return count


def _part(request: Request, wanted: Download) -> Part | None:
    if not range_still_applies(request, wanted.etag):
        return None
    try:
        return requested_part(request.headers.get("range"), wanted.size)
    except NotSatisfiable:
        headers = {"Content-Range": f"bytes */{wanted.size}", "Accept-Ranges": "bytes", "ETag": wanted.etag}
        raise HTTPException(416, f"The file has {wanted.size} bytes", headers) from None


def _not_modified(headers: dict[str, str]) -> Response:
    kept = {name: value for name, value in headers.items() if not name.startswith("Content-")}
    return Response(status_code=304, headers=kept)


def missing(wanted: Download) -> BlobsUnavailable:
    return BlobsUnavailable(
        f"The file of version {wanted.version['version']} is not in the blob store: sha256:{wanted.checksum}."
    )


def _header_text(text: str) -> str:
    """Plain ASCII as it is; anything else percent-encoded, as headers hold no more."""
    plain = text.isascii() and text.isprintable() and text == text.strip()
    return text if plain else quote(text, safe=_PRINTABLE).strip()


def _docs(operation_id: str, summary: str) -> dict[str, Any]:
    documented = docs(operation_id, summary, [VERSION], 403, 404, 409, 416)
    for name, text in (("Range", "bytes=0-1023"), ("If-Range", "The ETag that the range belongs to")):
        header = {"name": name, "in": "header", "description": text, "schema": {"type": "string"}}
        documented["openapi_extra"]["parameters"].append(header)
    binary = {"schema": {"type": "string", "format": "binary"}}
    told = {"description": "What a scan says of the file", "schema": {"type": "string", "enum": list(ScanVerdict)}}
    file = {
        "description": "The file",
        "content": {"application/octet-stream": binary},
        "headers": {SCAN_VERDICT: told},
    }
    documented["responses"] |= {
        200: file,
        206: {**file, "description": "A part of it"},
        304: {"description": "Unchanged"},
    }
    return documented
