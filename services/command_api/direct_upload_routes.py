"""The routes of uploads that go straight to storage by presigned URLs."""

from __future__ import annotations

from typing import Any, Final

from fastapi import APIRouter, Request
from starlette.responses import Response

from services.command_api import forms as f
from services.command_api.direct_uploads import DirectUploads
from services.command_api.routes import CommandHttp, caller_of, no_parameters, version_parameter
from tensorfleet.blobs.staging import MOST_PARTS
from tensorfleet.domain.errors import PresignOff
from tensorfleet.http.access.guard import principal_of
from tensorfleet.http.access.rate_limits import client_of
from tensorfleet.http.json import json_response, read_command
from tensorfleet.http.openapi.operations import command_docs, problems
from tensorfleet.http.query_parameters import Parameter, QueryParameters
from tensorfleet.http.upload_slots import UploadSlots

_AFTER: Final = Parameter(
    "after",
    "Give URLs for missing parts with higher numbers than this: for more than 100 missing parts.",
    {"type": "integer", "minimum": 0, "maximum": MOST_PARTS},
)
_OFF: Final = "404 `presign-off` unless the operator has set `PRESIGN=true`. How it works: docs/presign.md."


def direct_upload_routes(http: CommandHttp, uploads: DirectUploads | None, slots: UploadSlots) -> APIRouter:
    """`uploads` None: the routes are there, and say that they are off."""
    router = APIRouter(prefix="/api/v1/models/{model_id}/uploads", tags=["commands"])

    def on() -> DirectUploads:
        if uploads is None:
            raise PresignOff
        return uploads

    @router.post("", status_code=201, **_begin_docs())
    async def begin(request: Request, model_id: str) -> Response:
        direct, version = on(), version_parameter(request)
        form, body = await read_command(request, f.BeginUploadForm)
        begun = direct.begin(model_id, version, form, caller_of(request, body), _owner(request))
        return await http.respond(request, begun)

    @router.get("/{upload_id}", **_show_docs())
    async def show(request: Request, model_id: str, upload_id: str) -> Response:
        direct = on()
        after = QueryParameters.of(request, [_AFTER]).integer(_AFTER.name, 0, 0, MOST_PARTS)
        with http.noting_denials(request):
            return json_response(await direct.show(model_id, upload_id, _owner(request), after))

    @router.post("/{upload_id}/complete", status_code=201, **_complete_docs())
    async def complete(request: Request, model_id: str, upload_id: str) -> Response:
        direct = on()
        no_parameters(request)
        _, body = await read_command(request, f.EmptyForm, empty_is=b"{}")
        caller = caller_of(request, body)
        with slots.one(client_of(request.scope, principal_of(request))):
            completed = direct.complete(model_id, upload_id, caller, _owner(request))
            return await http.respond(request, completed)

    @router.delete("/{upload_id}", **_abort_docs())
    async def abort(request: Request, model_id: str, upload_id: str) -> Response:
        direct = on()
        no_parameters(request)
        await read_command(request, f.EmptyForm, empty_is=b"{}")
        with http.noting_denials(request):
            return json_response(await direct.abort(model_id, upload_id, _owner(request)))

    return router


def _owner(request: Request) -> str:
    """Empty while authentication is off: then everyone is the same."""
    return principal_of(request).space


def _begin_docs() -> dict[str, Any]:
    return _described(
        command_docs("begin_upload", "Begin an upload straight to storage", f.BeginUploadForm, version=True),
        "The answer has a URL for each of the first 100 parts, to PUT them in any order, and in parallel. "
        "A part has exactly `size_bytes`, or storage refuses it.",
    )


def _show_docs() -> dict[str, Any]:
    documented = {
        "operation_id": "get_upload",
        "summary": "Which parts are there, and URLs for those that are not",
        "openapi_extra": {"parameters": [_AFTER.documentation]},
        "responses": problems(400, 404, 422, 503),
    }
    return _described(documented, "To go on after a break, or when URLs have expired.")


def _complete_docs() -> dict[str, Any]:
    documented = command_docs("complete_upload", "Make what was sent the version's file", None)
    documented["responses"] |= problems(507)
    return _described(
        documented,
        "The registry reads the whole file and compares its size and SHA-256 before anything is recorded: that takes a "
        "second for each few hundred MB. Answers as an upload does; 409 while parts are missing.",
    )


def _abort_docs() -> dict[str, Any]:
    documented = {
        "operation_id": "abort_upload",
        "summary": "Throw away what was sent",
        "responses": problems(400, 404, 409, 413, 415, 422, 503),
    }
    return _described(documented, "A completed upload stays: 409.")


def _described(documented: dict[str, Any], text: str) -> dict[str, Any]:
    return {**documented, "description": f"{text} {_OFF}"}
