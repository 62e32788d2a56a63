"""The upload route: the body streams into storage while it is hashed; only then the event is appended."""

from __future__ import annotations

import hashlib
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from urllib.parse import unquote

from fastapi import APIRouter, Request
from starlette.responses import Response

from services.command_api.routes import CommandHttp, caller_of, version_parameter
from tensorfleet.blobs.filenames import format_of, safe_filename
from tensorfleet.blobs.store import BlobStore
from tensorfleet.domain.errors import InvalidCommand, TooLarge, UnsupportedMediaType
from tensorfleet.domain.events import BlobFile
from tensorfleet.http.access.guard import principal_of
from tensorfleet.http.access.rate_limits import client_of
from tensorfleet.http.json import chunks_of
from tensorfleet.http.multipart import file_part
from tensorfleet.http.openapi.operations import upload_docs
from tensorfleet.http.upload_slots import UploadSlots

_CHECKSUM = re.compile(r"sha256:([0-9a-f]{64})", re.ASCII)


@dataclass(frozen=True, slots=True)
class Incoming:
    filename: str | None
    chunks: AsyncIterator[bytes]


def upload_routes(http: CommandHttp, blobs: BlobStore, max_file_bytes: int, slots: UploadSlots) -> APIRouter:
    router = APIRouter(prefix="/api/v1/models", tags=["commands"])

    @router.post("/{model_id}/upload", status_code=201, **upload_docs())
    async def upload(request: Request, model_id: str) -> Response:
        version = version_parameter(request)
        expected = _expected_checksum(request)
        _refuse_declared_size(request, max_file_bytes)
        with http.noting_denials(request):
            name = await http.operations.check_upload(model_id, version, caller_of(request, b""))
        with slots.one(client_of(request.scope, principal_of(request))):
            incoming = await _incoming(request)
            filename = safe_filename(incoming.filename or "") or safe_filename(f"{name or 'model'}.bin") or "model.bin"
            renew = http.operations.is_marked_corrupt(model_id, version)
            stored = await blobs.put(incoming.chunks, expected_checksum=expected, max_bytes=max_file_bytes, renew=renew)
        file = BlobFile(stored.size_bytes, stored.checksum, format_of(filename), filename)
        caller = caller_of(request, hashlib.sha256(f"{stored.checksum}/{filename}".encode()).digest())
        return await http.respond(request, http.operations.attach_file(model_id, version, file, caller, renewed=renew))

    return router


async def _incoming(request: Request) -> Incoming:
    content_type = request.headers.get("content-type", "")
    kind = content_type.partition(";")[0].strip().lower()
    if kind == "multipart/form-data":
        part = await file_part(chunks_of(request), content_type)
        return Incoming(part.filename, part.chunks)
    if kind == "application/octet-stream":
        return Incoming(unquote(request.headers.get("x-file-name", "")), chunks_of(request))
    raise UnsupportedMediaType("Send the file as multipart/form-data (field file) or as application/octet-stream.")


def _expected_checksum(request: Request) -> str | None:
    given = request.headers.get("x-file-checksum")
    if given is None:
        return None
    match = _CHECKSUM.fullmatch(given.strip().lower())
    if match is None:
        raise InvalidCommand.of("X-File-Checksum", "is not sha256: and 64 hex digits")
    return match[1]


def _refuse_declared_size(request: Request, max_file_bytes: int) -> None:
    """Refuse early what says itself that it is too large; a multipart body may exceed the file by its frame."""
    declared = request.headers.get("content-length", "")
    if declared.isdigit() and int(declared) > max_file_bytes + 1024 * 1024:
        raise TooLarge(f"The file has about {declared} bytes; at most {max_file_bytes} are allowed.")
